/// Packed bytes, as archives hold them.
#pragma once

#include <zlib.h>

#include <string>

#include "catch_compat.h"

/// Deflated, without zlib's own head.
inline std::string deflated(const std::string& contents) {
    z_stream stream = {};
    REQUIRE(deflateInit2(&stream, 9, Z_DEFLATED, -MAX_WBITS, 9, Z_DEFAULT_STRATEGY) == Z_OK);
    std::string packed(deflateBound(&stream, contents.size()), '\0');
    stream.next_in = reinterpret_cast<unsigned char*>(const_cast<char*>(contents.data()));
    stream.avail_in = static_cast<unsigned>(contents.size());
    stream.next_out = reinterpret_cast<unsigned char*>(packed.data());
    stream.avail_out = static_cast<unsigned>(packed.size());
    REQUIRE(deflate(&stream, Z_FINISH) == Z_STREAM_END);
    packed.resize(stream.total_out);
    deflateEnd(&stream);
    return packed;
}
