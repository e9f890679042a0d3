//! One test's own corner of the machine: a subnet, a directory, an authority.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use crate::command::run;
use crate::sweep;
use crate::tls::Authority;

/// A subnet `10.251.<k>.0/24` behind the bridge `pn<k>`, and a directory for all of its files.
///
/// Whoever makes the bridge has the subnet: the kernel is the lock, so worlds of any number of
/// processes stand side by side. Every process that a world starts names its directory on its
/// command line, by which [`sweep`] finds it. Registry and coordinator listen on the bridge's own
/// address; nothing goes from tenant to tenant, so no forwarding rule is needed.
#[derive(Debug)]
pub struct World {
    k: u8,
    directory: PathBuf,
    authority: Authority,
    keep: bool,
}

impl World {
    /// Takes a free subnet, after sweeping up what crashed runs left.
    ///
    /// # Errors
    ///
    /// If no subnet is free or the bridge cannot be made.
    pub fn new() -> anyhow::Result<Self> {
        let _one_at_a_time = sweep::lock()?;
        sweep::dead_worlds()?;
        let k = (1..=254)
            .filter(|k| !sweep::directory_of(*k).exists())
            .find(|k| run(&format!("ip link add pn{k} type bridge")).is_ok())
            .context("make a bridge: is this root, and is one of pn1 to pn254 free?")?;
        let directory = sweep::directory_of(k);
        sweep::claim(k).context("write the owner of the new world")?;
        run(&format!("ip addr add 10.251.{k}.1/24 dev pn{k}"))?;
        run(&format!("ip link set pn{k} up"))?;
        let authority = Authority::new(&directory, "pinion tests")?;
        Ok(Self {
            k,
            directory,
            authority,
            keep: false,
        })
    }

    /// Number of the subnet, 1 to 254.
    #[must_use]
    pub fn number(&self) -> u8 {
        self.k
    }

    /// The address that registry, proxy and coordinator listen on.
    #[must_use]
    pub fn address(&self) -> Ipv4Addr {
        Ipv4Addr::new(10, 251, self.k, 1)
    }

    /// A loopback address that no other world uses, for listeners that are loopback only.
    #[must_use]
    pub fn loopback(&self) -> Ipv4Addr {
        Ipv4Addr::new(127, 251, self.k, 1)
    }

    /// Where all files of this world are.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// A new directory in [`directory`](Self::directory).
    ///
    /// # Errors
    ///
    /// If it cannot be made, or is there already.
    pub fn subdirectory(&self, name: &str) -> anyhow::Result<PathBuf> {
        let path = self.directory.join(name);
        if path.exists() {
            bail!(
                "{} is taken: give each part of a world its own name",
                path.display()
            );
        }
        std::fs::create_dir_all(&path).with_context(|| format!("make {}", path.display()))?;
        Ok(path)
    }

    /// The authority that signed the registry's certificate.
    #[must_use]
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// Leaves everything up when this value goes, until [`sweep::kept_worlds`] is called.
    ///
    /// # Errors
    ///
    /// If that cannot be written down.
    pub fn keep(&mut self) -> anyhow::Result<()> {
        sweep::mark_kept(self.k)?;
        self.keep = true;
        Ok(())
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if self.keep {
            return;
        }
        if let Err(error) = sweep::take_down(self.k) {
            eprintln!("world pn{} was not taken down whole: {error:#}", self.k);
        }
    }
}
