//! Taking worlds down from what is on disk and in the kernel, never from memory.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rustix::fs::{FlockOperation, flock};
use rustix::process::{Pid, Signal, kill_process};

use crate::command::run;
use crate::{podman, tenant};

/// On a disk and not in memory, because engines lay overlays on it.
const BASE: &str = "/var/tmp/pinion";
const OWNER: &str = "owner";
const KEPT: &str = "kept";

/// Worlds that this process made, for the end by a signal.
static OURS: Mutex<Vec<u8>> = Mutex::new(Vec::new());

static TAKING_DOWN: Mutex<()> = Mutex::new(());

/// Directory of the world on subnet `k`.
#[must_use]
pub fn directory_of(k: u8) -> PathBuf {
    Path::new(BASE).join(format!("pn{k}"))
}

/// Directory of what worlds share, such as the compiled program of the images.
///
/// # Errors
///
/// If it cannot be made.
pub fn shared_directory() -> anyhow::Result<PathBuf> {
    let path = Path::new(BASE).join("shared");
    fs::create_dir_all(&path).with_context(|| format!("make {}", path.display()))?;
    Ok(path)
}

/// Keeps other processes from making or sweeping worlds while the answer lives.
///
/// # Errors
///
/// If the lock file cannot be made.
pub fn lock() -> anyhow::Result<File> {
    let path = shared_directory()?.join("lock");
    let file = File::create(&path).with_context(|| format!("open {}", path.display()))?;
    flock(&file, FlockOperation::LockExclusive).context("lock the list of worlds")?;
    Ok(file)
}

/// Writes down that this process owns subnet `k`. Call it under [`lock`].
///
/// # Errors
///
/// If the directory cannot be written.
pub fn claim(k: u8) -> anyhow::Result<()> {
    let directory = directory_of(k);
    fs::create_dir_all(&directory)?;
    let pid = std::process::id();
    let started = start_time(pid).context("read the start time of this process")?;
    fs::write(directory.join(OWNER), format!("{pid} {started}"))?;
    ours().push(k);
    Ok(())
}

/// Writes down that subnet `k` stays when its owner has gone.
///
/// # Errors
///
/// If that cannot be written.
pub fn mark_kept(k: u8) -> anyhow::Result<()> {
    fs::write(directory_of(k).join(KEPT), "")?;
    ours().retain(|other| *other != k);
    Ok(())
}

/// Takes down every world whose owner died. Call it under [`lock`].
///
/// # Errors
///
/// If one of them resists.
pub fn dead_worlds() -> anyhow::Result<()> {
    let mut numbers: Vec<u8> = (1..=254)
        .filter(|k| {
            directory_of(*k).exists() || Path::new(&format!("/sys/class/net/pn{k}")).exists()
        })
        .collect();
    numbers.retain(|k| !directory_of(*k).join(KEPT).exists() && !owner_lives(*k));
    numbers.into_iter().try_for_each(take_down)
}

/// Takes down the worlds that were kept on purpose, and says which.
///
/// # Errors
///
/// If one of them resists.
pub fn kept_worlds() -> anyhow::Result<Vec<u8>> {
    let _one_at_a_time = lock()?;
    let kept: Vec<u8> = (1..=254)
        .filter(|k| directory_of(*k).join(KEPT).exists())
        .collect();
    kept.iter().try_for_each(|k| take_down(*k))?;
    Ok(kept)
}

/// Takes down the worlds of this process: the end by a signal.
pub fn our_worlds() {
    for k in ours().clone() {
        if let Err(error) = take_down(k) {
            eprintln!("world pn{k} was not taken down whole: {error:#}");
        }
    }
}

/// Ends all processes of world `k`, and removes its mounts, namespaces, bridge and files.
///
/// # Errors
///
/// If something of it is still there afterwards.
pub fn take_down(k: u8) -> anyhow::Result<()> {
    // The end of a test and a signal may come at once; the second finds nothing to do.
    let _one_at_a_time = TAKING_DOWN.lock().expect("no holder of this lock panics");
    let directory = directory_of(k);
    for machine in names_in(&directory) {
        let namespace = format!("pn{k}{machine}");
        podman::remove_containers(&directory.join(machine), |program| {
            tenant::inside(&namespace, program)
        });
    }
    end_processes(&directory);
    unmount(&directory);
    remove_cgroups(&directory);
    remove_network(k)?;
    if directory.exists() {
        fs::remove_dir_all(&directory)
            .with_context(|| format!("remove {}", directory.display()))?;
    }
    ours().retain(|other| *other != k);
    Ok(())
}

/// Links go before their namespaces: left to the kernel, they vanish only a moment later, and the
/// next world on this subnet would find its names taken.
fn remove_network(k: u8) -> anyhow::Result<()> {
    let (links, namespaces) = (format!("pn{k}v"), format!("pn{k}t"));
    for name in names_in("/sys/class/net").filter(|name| name.starts_with(&links)) {
        run(&format!("ip link del {name}"))?;
    }
    for name in names_in("/run/netns").filter(|name| name.starts_with(&namespaces)) {
        run(&format!("ip netns del {name}"))?;
    }
    if Path::new(&format!("/sys/class/net/pn{k}")).exists() {
        run(&format!("ip link del pn{k}"))?;
    }
    Ok(())
}

/// Engines stop in order, so that they unmount; all else, and what is left, is killed.
fn end_processes(directory: &Path) {
    for pid in processes_of(directory) {
        let signal = match command_name(pid).as_str() {
            "dockerd" => Signal::TERM,
            "containerd" | "containerd-shim" | "docker-proxy" => continue,
            _ => Signal::KILL,
        };
        send(pid, signal);
    }
    let patience = Instant::now() + Duration::from_secs(8);
    while has_engine(directory) && Instant::now() < patience {
        std::thread::sleep(Duration::from_millis(20));
    }
    let patience = Instant::now() + Duration::from_secs(5);
    while Instant::now() < patience {
        let left: Vec<u32> = processes_of(directory)
            .into_iter()
            .chain(contained_in(directory))
            .collect();
        if left.is_empty() {
            return;
        }
        left.into_iter().for_each(|pid| send(pid, Signal::KILL));
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn has_engine(directory: &Path) -> bool {
    processes_of(directory)
        .into_iter()
        .any(|pid| command_name(pid) == "dockerd")
}

/// Processes that name a path below `directory` on their command line, but this one.
#[must_use]
pub fn processes_of(directory: &Path) -> Vec<u32> {
    let needle = format!("{}/", directory.display());
    all_processes()
        .filter(|pid| *pid != std::process::id())
        .filter(|pid| {
            let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&line).contains(&needle)
        })
        .collect()
}

/// Processes whose root file system lies below `directory`: containers of an engine that died.
fn contained_in(directory: &Path) -> Vec<u32> {
    let needle = format!("{}/", directory.display());
    all_processes()
        .filter(|pid| {
            let mounts = fs::read_to_string(format!("/proc/{pid}/mountinfo")).unwrap_or_default();
            mounts
                .lines()
                .any(|line| line.split(' ').nth(4) == Some("/") && line.contains(&needle))
        })
        .collect()
}

fn unmount(directory: &Path) {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let below = mounts
        .lines()
        .rev()
        .filter_map(|line| line.split(' ').nth(4))
        .filter(|point| Path::new(point).starts_with(directory));
    for point in below {
        if let Err(error) = run(&format!("umount -l {point}")) {
            eprintln!("unmount {point}: {error:#}");
        }
    }
}

/// An engine that was killed leaves its containers' control groups.
fn remove_cgroups(directory: &Path) {
    let engines = names_in(directory);
    for engine in engines {
        for id in names_in(directory.join(&engine).join("data/containers")) {
            let controllers =
                names_in("/sys/fs/cgroup").map(|name| format!("/sys/fs/cgroup/{name}"));
            for root in controllers.chain(["/sys/fs/cgroup".into()]) {
                // Absent is what is wanted; busy is seen by whoever looks at the processes.
                drop(fs::remove_dir(format!("{root}/docker/{id}")));
                drop(fs::remove_dir(format!(
                    "{root}/system.slice/docker-{id}.scope"
                )));
            }
        }
    }
}

fn owner_lives(k: u8) -> bool {
    let text = fs::read_to_string(directory_of(k).join(OWNER)).unwrap_or_default();
    let Some((pid, started)) = text.split_once(' ') else {
        return false;
    };
    let started_now = pid.parse().ok().and_then(start_time);
    started_now.is_some_and(|now| now.to_string() == started)
}

/// When a living process started, in clock ticks since boot; with its id it names a process for
/// ever. One that nobody has reaped yet is dead.
fn start_time(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let after_name = stat.rsplit_once(") ")?.1;
    if after_name.starts_with(['Z', 'X']) {
        return None;
    }
    after_name.split(' ').nth(19)?.parse().ok()
}

fn command_name(pid: u32) -> String {
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    name.trim().to_owned()
}

fn send(pid: u32, signal: Signal) {
    let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else {
        return;
    };
    // It may have ended meanwhile, which is what is wanted.
    let _ = kill_process(pid, signal);
}

fn all_processes() -> impl Iterator<Item = u32> {
    names_in("/proc").filter_map(|name| name.parse().ok())
}

fn names_in(directory: impl AsRef<Path>) -> impl Iterator<Item = String> {
    fs::read_dir(directory)
        .into_iter()
        .flatten()
        .filter_map(Result::ok)
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
}

fn ours() -> std::sync::MutexGuard<'static, Vec<u8>> {
    OURS.lock().expect("no holder of this lock panics")
}
