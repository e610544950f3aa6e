/// Refusals of outputs, before hours of work are spent or a file of the user's is written over.
///
/// Args of all: option: what the user calls the output, "--out", for the message.
/// Throw: std::invalid_argument that names the option and the file.
#pragma once

#include <string>
#include <vector>

namespace nmrsim {

/// Refuses an output file whose folder is not there, or that is a folder.
void check_output_folder(const std::string& option, const std::string& path);

/// Refuses an output that is one of the inputs, by whatever name.
///
/// Args: inputs: files, FILE.h5:/PATH, challenge folders, manifests, names of what ships.
void check_not_input(const std::string& option, const std::string& output,
                     const std::vector<std::string>& inputs);

/// Refuses an output that another option writes, too. Args: others: files, whether there or not.
void check_not_output(const std::string& option, const std::string& output,
                      const std::vector<std::string>& others);

/// Refuses standard output, pipes and devices for what is not a text.
void check_is_file(const std::string& option, const std::string& path);

/// Refuses a file where a folder is to be written.
void check_is_folder(const std::string& option, const std::string& path);

}  // namespace nmrsim
