//! What a setup server needs on disk: made for the demonstration, in the form that `amt serve` takes.

use amt_core::{ErrorCode, Failure};
use amt_sim::authority::ProvisioningChain;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// The folder of one demonstration.
pub(super) struct Folder {
    path: PathBuf,
    root: Vec<u8>,
    /// Removes the folder at the end.
    _temporary: Option<TempDir>,
}

impl Folder {
    /// Certificates and configuration in `path`, or in a folder that goes away.
    pub(super) fn new(path: Option<PathBuf>, suffix: &str, concurrency: usize) -> Result<Self, Failure> {
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
        let chain = ProvisioningChain::new(suffix);
        let files = [
            ("provisioning.pem", chain.pem()),
            ("root.pem", chain.root_pem()),
            ("serve.toml", config(suffix, concurrency)),
        ];
        for (name, content) in files {
            let file = path.join(name);
            fs::write(&file, content).map_err(|e| fail(&file, e))?;
        }
        let root = chain.root().to_vec();
        Ok(Self { path, root, _temporary: temporary })
    }

    pub(super) fn config(&self) -> PathBuf {
        self.path.join("serve.toml")
    }

    /// Root of the provisioning certificate, DER.
    pub(super) fn root(&self) -> &[u8] {
        &self.root
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

fn config(suffix: &str, concurrency: usize) -> String {
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
