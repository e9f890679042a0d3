use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Subcommand;
use pinion_model::{Actor, OperatorName, Role};
use rcgen::KeyPair;

use crate::clock::{Clock as _, SystemClock};
use crate::identity::{Authority, files};
use crate::ledger::Ledger;
use crate::operators;
use crate::serve::{database, pki_dir};
use crate::store::{CutPolicy, SqliteStore};

#[derive(Debug, Subcommand)]
pub(super) enum OperatorCommand {
    /// Issue a certificate while no coordinator runs on the data directory.
    Create(CreateArgs),
}

#[derive(Debug, clap::Args)]
pub(super) struct CreateArgs {
    /// Whose; a former certificate of that name is refused from then on.
    name: OperatorName,
    /// viewer, promoter, operator or admin.
    #[arg(long, value_name = "ROLE")]
    role: Role,
    /// The coordinator's data directory.
    #[arg(long, env = "PINION_DATA_DIR", value_name = "DIR")]
    data_dir: PathBuf,
    /// Where to write NAME.pem, NAME.key and ca.pem.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

impl OperatorCommand {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let Self::Create(args) = self;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime
            .context("start the runtime")?
            .block_on(args.create())
    }
}

impl CreateArgs {
    async fn create(self) -> anyhow::Result<()> {
        let (database, pki) = (database(&self.data_dir), pki_dir(&self.data_dir));
        if !database.exists() {
            anyhow::bail!(
                "{} is no coordinator's data directory: `pinion-coordinator serve --data-dir {0}` makes one",
                self.data_dir.display()
            );
        }
        let store = SqliteStore::open(database, CutPolicy::default()).await?;
        let ledger = Ledger::open(Arc::new(store))
            .await
            .context("load the store")?;
        let domain = crate::identity::TrustDomain::default();
        let authority = Authority::open(&pki, domain, SystemClock.now())
            .context("open the certificate authority")?;
        let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).context("make a key")?;
        let issued = operators::sign(
            &authority,
            &self.name,
            &key,
            ledger.clock(),
            operators::LIFE,
        )
        .context("sign the certificate")?;
        let at = |name: &str| self.out.join(name);
        let (cert, private) = (
            at(&format!("{}.pem", self.name)),
            at(&format!("{}.key", self.name)),
        );
        files::private_dir(&self.out)?;
        files::write_secret(&private, &key.serialize_pem())?;
        files::write_public(&cert, &issued.pem)?;
        files::write_public(&at("ca.pem"), authority.pem())?;
        operators::register(&ledger, &self.name, self.role, &issued, &Actor::System)
            .await
            .context("store the operator")?;
        println!("{} ({}) until {}", self.name, self.role, issued.not_after);
        println!("  certificate {}", cert.display());
        println!("  key         {}", private.display());
        println!("  authority   {}", at("ca.pem").display());
        Ok(())
    }
}
