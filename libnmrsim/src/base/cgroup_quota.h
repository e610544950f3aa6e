/// What share of the machine's time the kernel gives to this process's control groups.
#pragma once

#include <string>

namespace nmrsim {

/// The least quota of processor time, in cores, of the groups that a process belongs to and those
/// above them; infinite where there is none.
///
/// Args: membership: the text of /proc/self/cgroup. mount: where the groups' files are,
/// /sys/fs/cgroup: cpu.max of version 2, cpu.cfs_quota_us and cpu.cfs_period_us of version 1 below
/// the controller's folder.
double cgroup_quota(const std::string& membership, const std::string& mount);

}  // namespace nmrsim
