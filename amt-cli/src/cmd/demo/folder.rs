//! What a setup server needs on disk: made for the demonstration, in the form that `amt serve` takes.

use amt_core::tls::LegacyTls;
use amt_core::{ErrorCode, Failure};
use amt_sim::authority::{ProvisioningChain, Strength};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// The folder of one demonstration.
pub(super) struct Folder {
    path: PathBuf,
    roots: [Vec<u8>; 2],
    /// Removes the folder at the end.
    _temporary: Option<TempDir>,
}

/// What the setup server is told.
pub(super) struct Site {
    pub(super) suffix: &'static str,
    pub(super) concurrency: usize,
    /// Whether old TLS is consented to.
    pub(super) legacy: bool,
}

impl Folder {
    /// Certificates and configuration in `path`, or in a folder that goes away.
    pub(super) fn new(path: Option<PathBuf>, site: &Site) -> Result<Self, Failure> {
        let fail = |what: &Path, e: std::io::Error| {
            Failure::new(ErrorCode::FILE_WRITE, "demo", format!("{}: {e}", what.display()))
        };
        let temporary = match path {
            Some(_) => None,
            None => Some(TempDir::with_prefix("amt-demo-").map_err(|e| fail(Path::new("temporary folder"), e))?),
        };
        let path = match (&temporary, path) {
            (Some(temporary), _) => temporary.path().to_owned(),
            (None, path) => path.unwrap_or_default(),
        };
        fs::create_dir_all(&path).map_err(|e| fail(&path, e))?;
        if fs::exists(path.join("fleet.db")).unwrap_or(false) {
            return Err(Failure::new(
                ErrorCode::FILE_WRITE,
                "demo",
                format!("{} holds the database of an earlier demonstration", path.display()),
            )
            .hint("name another folder, or remove this one: its machines are gone"));
        }
        let chain = ProvisioningChain::new(site.suffix);
        // What AMT 22 is meant for.
        let large = ProvisioningChain::of(Strength::Rsa3072, site.suffix);
        let files = [
            ("provisioning.pem", chain.pem()),
            ("root.pem", chain.root_pem()),
            ("provisioning-3072.pem", large.pem()),
            ("root-3072.pem", large.root_pem()),
            ("serve.toml", config(site)),
        ];
        for (name, content) in files {
            let file = path.join(name);
            fs::write(&file, content).map_err(|e| fail(&file, e))?;
        }
        let roots = [chain, large].map(|chain| chain.root().to_vec());
        Ok(Self { path, roots, _temporary: temporary })
    }

    pub(super) fn config(&self) -> PathBuf {
        self.path.join("serve.toml")
    }

    /// Roots of the provisioning certificates, DER.
    pub(super) fn roots(&self) -> impl Iterator<Item = &[u8]> {
        self.roots.iter().map(Vec::as_slice)
    }

    /// The machines' own truth.
    pub(super) fn truth(&self) -> PathBuf {
        self.path.join("truth.json")
    }

    pub(super) fn hold_text(&self, devices: u32) -> String {
        let config = self.config();
        format!(
            "ready: {devices} machines stay up until this is interrupted (Ctrl-C)\n\
             credentials: amt fleet export-credentials --config {} --json",
            config.display()
        )
    }
}

fn config(site: &Site) -> String {
    let Site { suffix, concurrency, legacy } = site;
    let legacy = if *legacy { LegacyTls::Allow } else { LegacyTls::Refuse }.name();
    format!(
        "# The setup server of `amt demo`. The provisioning certificate is made of public test keys.\n\
         listen = \"127.0.0.1:0\"\n\
         database = \"fleet.db\"\n\
         seal_key_file = \"seal.key\"\n\
         dns_suffixes = [\"{suffix}\"]\n\
         names = \"amt-{{uuid_short}}\"\n\
         admit = \"auto\"\n\
         concurrency = {concurrency}\n\
         \n\
         [[provisioning_certificate]]\n\
         pem = \"provisioning.pem\"\n\
         \n\
         [[provisioning_certificate]]\n\
         pem = \"provisioning-3072.pem\"\n\
         \n\
         [profile]\n\
         legacy_tls = \"{legacy}\"\n\
         \n\
         [ca]\n\
         kind = \"local\"\n\
         certificate = \"ca.pem\"\n\
         key = \"ca.key\"\n\
         \n\
         [retry]\n\
         first = \"1s\"\n\
         most = \"20s\"\n"
    )
}
