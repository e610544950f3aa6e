# Simulates echoes from Julia through nmrsim_c.h:
#
#     julia echo.jl                          libnmrsim.so where the system's loader finds it
#     NMRSIM_LIBRARY=/opt/nmrsim/lib/libnmrsim.so julia echo.jl
#
# Needs the shared library (BUILD_SHARED_LIBS=ON, or the Debian package). The first index is the
# fastest: what the header calls (3, points) is (points, 3) here.

const libnmrsim = get(ENV, "NMRSIM_LIBRARY", "libnmrsim.so")

last_error() = unsafe_string(ccall((:nmrsim_last_error, libnmrsim), Cstring, ()))
check(status::Cint) = status == 0 || error(last_error())

mutable struct Experiment
    handle::Ptr{Cvoid}

    function Experiment(name_or_path::AbstractString)
        handle = Ref{Ptr{Cvoid}}(C_NULL)
        check(ccall((:nmrsim_load, libnmrsim), Cint, (Cstring, Ptr{Ptr{Cvoid}}), name_or_path,
                    handle))
        experiment = new(handle[])
        finalizer(e -> ccall((:nmrsim_free, libnmrsim), Cvoid, (Ptr{Cvoid},), e.handle), experiment)
        return experiment
    end
end

# So that an Experiment may stand where the header has one, and lives as long as the call.
Base.unsafe_convert(::Type{Ptr{Cvoid}}, experiment::Experiment) = experiment.handle

"Changes one value: \"interaction.alpha_x_khz=60\"."
set!(e::Experiment, setting::AbstractString) =
    check(ccall((:nmrsim_set, libnmrsim), Cint, (Ptr{Cvoid}, Cstring), e, setting))

points(e::Experiment) = Int(ccall((:nmrsim_points, libnmrsim), Csize_t, (Ptr{Cvoid},), e))
unknowns(e::Experiment) = Int(ccall((:nmrsim_unknowns, libnmrsim), Csize_t, (Ptr{Cvoid},), e))

"Names of the prior's unknowns."
unknown_names(e::Experiment) =
    [unsafe_string(ccall((:nmrsim_unknown_name, libnmrsim), Cstring, (Ptr{Cvoid}, Csize_t), e,
                         i - 1)) for i in 1:unknowns(e)]

"Times of the samples [us], (points)."
function times_us(e::Experiment)
    time = Vector{Cdouble}(undef, points(e))
    check(ccall((:nmrsim_times_us, libnmrsim), Cint, (Ptr{Cvoid}, Ptr{Cdouble}, Csize_t), e, time,
                length(time)))
    return time
end

"Mx, My, Mz of one curve, (points, 3)."
function simulate(e::Experiment)
    signal = Matrix{Cdouble}(undef, points(e), 3)
    check(ccall((:nmrsim_simulate, libnmrsim), Cint,
                (Ptr{Cvoid}, Ptr{Cdouble}, Csize_t, Ptr{Cdouble}), e, signal, length(signal),
                C_NULL))
    return signal
end

"A curve, (points, 3), and its derivatives by the prior's unknowns, (points, 3, unknowns)."
function simulate_with_derivatives(e::Experiment)
    signal = Matrix{Cdouble}(undef, points(e), 3)
    derivatives = Array{Cdouble,3}(undef, points(e), 3, unknowns(e))
    check(ccall((:nmrsim_simulate_with_derivatives, libnmrsim), Cint,
                (Ptr{Cvoid}, Ptr{Ptr{Cchar}}, Csize_t, Ptr{Cdouble}, Csize_t, Ptr{Cdouble},
                 Csize_t), e, C_NULL, 0, signal, length(signal), derivatives,
                length(derivatives)))
    return signal, derivatives
end

"`count` draws of the prior, (unknowns, count)."
function draw(e::Experiment, count::Integer; seed::Integer = 1, first_index::Integer = 0)
    parameters = Matrix{Cdouble}(undef, unknowns(e), count)
    check(ccall((:nmrsim_draw, libnmrsim), Cint,
                (Ptr{Cvoid}, UInt64, UInt64, Ptr{Cdouble}, Csize_t), e, seed, first_index,
                parameters, length(parameters)))
    return parameters
end

"The curves of `parameters`, (unknowns, count), on all cores: (points, 2, count), Mx and My."
function simulate_batch(e::Experiment, parameters::Matrix{Cdouble}; threads::Integer = 0)
    signal = Array{Cfloat,3}(undef, points(e), 2, size(parameters, 2))
    check(ccall((:nmrsim_simulate_batch, libnmrsim), Cint,
                (Ptr{Cvoid}, Ptr{Cdouble}, Csize_t, Ptr{UInt64}, Csize_t, Ptr{Cfloat}, Csize_t,
                 Cint), e, parameters, length(parameters), C_NULL, 0, signal, length(signal),
                threads))
    return signal
end

experiment = Experiment("challenge-2021")
set!(experiment, "interaction.alpha_x_khz=60")
signal, derivatives = simulate_with_derivatives(experiment)
size_of_m = hypot.(signal[:, 1], signal[:, 2])
peak = argmax(size_of_m)
println(length(size_of_m), " points, the echo peaks at ", round(times_us(experiment)[peak], digits = 2),
        " us with |M| = ", round(size_of_m[peak], digits = 4))
for (k, name) in enumerate(unknown_names(experiment))
    println("dMx/d", name, " there: ", derivatives[peak, 1, k])
end
curves = simulate_batch(experiment, draw(experiment, 8, seed = 7))
println(size(curves, 3), " curves, Mx of the last at its last point: ", curves[end, 1, end])
