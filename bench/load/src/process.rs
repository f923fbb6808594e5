//! What the operating system says about a process: CPU time, memory, descriptors.

use std::time::Duration;
use std::{fs, io};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// CPU time used so far, in user and system mode together.
#[derive(Clone, Copy)]
pub(crate) struct CpuTime {
    /// All threads.
    pub(crate) process: Duration,
    /// The thread that bears the process's id: in Node.js the one that runs JavaScript.
    pub(crate) main_thread: Duration,
}

/// CPU time of process `pid`.
pub(crate) fn cpu_time(pid: u32) -> io::Result<CpuTime> {
    Ok(CpuTime {
        process: stat_time(&format!("/proc/{pid}/stat"))?,
        main_thread: stat_time(&format!("/proc/{pid}/task/{pid}/stat"))?,
    })
}

/// utime + stime of a `stat` file, fields 14 and 15 of proc(5).
fn stat_time(path: &str) -> io::Result<Duration> {
    let stat = fs::read_to_string(path)?;
    let ticks =
        parse_ticks(&stat).ok_or_else(|| io::Error::other(format!("cannot read {path}")))?;
    Ok(Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64))
}

/// The program's name, field 2, may itself have spaces and parentheses: count from its end.
fn parse_ticks(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut times = fields.split_ascii_whitespace().skip(11);
    Some(times.next()?.parse::<u64>().ok()? + times.next()?.parse::<u64>().ok()?)
}

/// Resident memory of process `pid` in bytes.
pub(crate) fn resident_memory(pid: u32) -> io::Result<u64> {
    let path = format!("/proc/{pid}/status");
    fs::read_to_string(&path)?
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.parse().ok())
        .map(|kilobytes: u64| kilobytes * 1024)
        .ok_or_else(|| io::Error::other(format!("no VmRSS in {path}")))
}

/// The largest number of descriptors that process `pid` can open.
pub(crate) fn descriptor_limit(pid: u32) -> io::Result<u64> {
    let path = format!("/proc/{pid}/limits");
    fs::read_to_string(&path)?
        .lines()
        .find_map(|line| line.strip_prefix("Max open files")?.split_ascii_whitespace().next())
        .and_then(|soft| if soft == "unlimited" { Some(u64::MAX) } else { soft.parse().ok() })
        .ok_or_else(|| io::Error::other(format!("no descriptor limit in {path}")))
}

/// Raises this process's own descriptor limit as far as it may go.
pub(crate) fn raise_descriptor_limit() -> io::Result<()> {
    let limit = getrlimit(Resource::Nofile);
    Ok(setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_times_behind_a_name_with_parentheses() {
        let stat = "12 (a) b) c) S 1 2 3 4 5 6 7 8 9 10 70 5 0 0 20";
        assert_eq!(parse_ticks(stat), Some(75));
    }

    #[test]
    fn knows_its_own_process() {
        let pid = std::process::id();
        assert!(cpu_time(pid).is_ok());
        assert!(resident_memory(pid).unwrap() > 0);
        assert!(descriptor_limit(pid).unwrap() > 0);
    }
}
