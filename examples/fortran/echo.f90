! Simulates an echo and its derivatives from Fortran 2003 through nmrsim_c.h.
!
!     gfortran echo.f90 $(pkg-config --libs nmrsim) -o echo && ./echo
!
! The first index is the fastest: what the header calls (3, points) is (points, 3) here.

module nmrsim_c
    use, intrinsic :: iso_c_binding
    implicit none

    interface
        function nmrsim_load(name_or_path, experiment) bind(c) result(status)
            import
            character(kind=c_char), intent(in) :: name_or_path(*)
            type(c_ptr), intent(out) :: experiment
            integer(c_int) :: status
        end function

        function nmrsim_set(experiment, setting) bind(c) result(status)
            import
            type(c_ptr), value :: experiment
            character(kind=c_char), intent(in) :: setting(*)
            integer(c_int) :: status
        end function

        subroutine nmrsim_free(experiment) bind(c)
            import
            type(c_ptr), value :: experiment
        end subroutine

        function nmrsim_last_error() bind(c) result(message)
            import
            type(c_ptr) :: message
        end function

        function nmrsim_points(experiment) bind(c) result(points)
            import
            type(c_ptr), value :: experiment
            integer(c_size_t) :: points
        end function

        function nmrsim_unknowns(experiment) bind(c) result(unknowns)
            import
            type(c_ptr), value :: experiment
            integer(c_size_t) :: unknowns
        end function

        function nmrsim_times_us(experiment, time_us, time_size) bind(c) result(status)
            import
            type(c_ptr), value :: experiment
            real(c_double), intent(out) :: time_us(*)
            integer(c_size_t), value :: time_size
            integer(c_int) :: status
        end function

        ! names: c_null_ptr and 0 for the prior's unknowns.
        function nmrsim_simulate_with_derivatives(experiment, names, name_count, signal, &
                                                  signal_size, derivatives, derivatives_size) &
                bind(c) result(status)
            import
            type(c_ptr), value :: experiment
            type(c_ptr), value :: names
            integer(c_size_t), value :: name_count
            real(c_double), intent(out) :: signal(*)
            integer(c_size_t), value :: signal_size
            real(c_double), intent(out) :: derivatives(*)
            integer(c_size_t), value :: derivatives_size
            integer(c_int) :: status
        end function

        function c_strlen(text) bind(c, name="strlen") result(length)
            import
            type(c_ptr), value :: text
            integer(c_size_t) :: length
        end function
    end interface
contains
    ! Stops the program if a call failed.
    subroutine check(status)
        integer(c_int), intent(in) :: status
        character(kind=c_char), pointer :: text(:)
        type(c_ptr) :: message
        if (status == 0) return
        message = nmrsim_last_error()
        call c_f_pointer(message, text, [c_strlen(message)])
        print '(*(a))', "echo: ", text
        error stop 1
    end subroutine
end module

program echo
    use nmrsim_c
    implicit none
    type(c_ptr) :: experiment
    integer(c_size_t) :: points, unknowns
    real(c_double), allocatable :: time_us(:), signal(:, :), derivatives(:, :, :)
    integer :: peak

    call check(nmrsim_load("challenge-2021" // c_null_char, experiment))
    call check(nmrsim_set(experiment, "interaction.alpha_x_khz=60" // c_null_char))
    points = nmrsim_points(experiment)
    unknowns = nmrsim_unknowns(experiment)
    allocate (time_us(points), signal(points, 3), derivatives(points, 3, unknowns))
    call check(nmrsim_times_us(experiment, time_us, size(time_us, kind=c_size_t)))
    call check(nmrsim_simulate_with_derivatives(experiment, c_null_ptr, 0_c_size_t, signal, &
                                                size(signal, kind=c_size_t), derivatives, &
                                                size(derivatives, kind=c_size_t)))
    peak = maxloc(hypot(signal(:, 1), signal(:, 2)), dim=1)
    print '(i0, a, f0.2, a, f6.4)', points, " points, the echo peaks at ", time_us(peak), &
        " us with |M| = ", hypot(signal(peak, 1), signal(peak, 2))
    print '(a, es13.5, a)', "dMx/d(first unknown) there: ", derivatives(peak, 1, 1), " per unit"
    call nmrsim_free(experiment)
    deallocate (time_us, signal, derivatives)
end program
