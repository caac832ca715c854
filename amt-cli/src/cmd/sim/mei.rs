//! `amt sim mei`: one virtual machine seen from its own operating system.

use super::Machines;
use crate::cmd::{Error, Verdict, block_on};
use crate::output::Output;
use crate::stop::StopSignal;
use amt_core::{ErrorCode, Failure};
use amt_sim::mei_file::MeiFile;
use amt_sim::{MeiDevice, Simulator};
use serde_json::json;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A virtual machine whose management engine interface is a device file, for programs of its operating system
///
/// The file answers like /dev/mei0: any program that talks to AMT from inside opens it and finds a machine of --persona,
/// not set up, that says no hello before it is told to. Its network side is at --base-address, as with `amt sim`. Needs
/// /dev/fuse, and root. It runs until it is interrupted (Ctrl-C), and takes the file away then.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  A machine, and what it tells:
    amt sim mei --mount /tmp/mei0 --suffix example.com --certificate certs &
    amt info --mei /tmp/mei0
    amt activate --ccm --mei /tmp/mei0 --journal machine.db

  The same with a local management service, as where Intel's is installed:
    amt sim mei --mount /tmp/mei0 --lms 127.9.9.9 &
    amt activate --ccm --mei /tmp/mei0 --lms 127.9.9.9 --journal machine.db

  For programs that open no other path, over /dev/mei0 in a mount namespace of their own:
    unshare --mount sh -c 'amt sim mei --mount /dev/mei0 & sleep 1; their-program'")]
pub(super) struct Mei {
    /// Where the device file appears; made if it is not there
    #[arg(long, value_name = "PATH")]
    mount: PathBuf,

    /// Also listen like a local management service, on 16992 and 16993 of this loopback address
    #[arg(long, value_name = "ADDRESS", num_args = 0..=1, default_missing_value = "127.0.0.1")]
    lms: Option<Ipv4Addr>,

    /// Time from a message to the firmware to its answer; the persona's own otherwise
    #[arg(long, value_name = "MILLISECONDS")]
    delay: Option<u64>,

    /// Folder to write what the kernel would have in sysfs: fw_status, fw_ver, kind
    #[arg(long, value_name = "DIR")]
    sysfs: Option<PathBuf>,

    /// AMT is switched off in the machine
    #[arg(long)]
    off: bool,

    #[command(flatten)]
    machine: Box<Machines>,
}

impl Mei {
    pub(super) fn run(self, out: &mut Output) -> Result<Verdict, Error> {
        block_on(async {
            let mut stop = StopSignal::new()?;
            let mut config = self.machine.config().await?;
            config.machines = 1;
            config.silent = true;
            config.amt_enabled = !self.off;
            if let Some(delay) = self.delay {
                Arc::make_mut(&mut config.persona).local.reply_ms = delay;
            }
            let version = config.persona.version;
            if let Some(folder) = &self.sysfs {
                facts(folder, &version.to_string())?;
            }
            let simulator = Simulator::start(config).await?;
            let machine = simulator.machines().into_iter().next();
            let device = machine.as_ref().and_then(|machine| simulator.mei(machine.id));
            let (Some(machine), Some(device)) = (machine, device) else {
                return Err(Error::usage("there is no machine", "give --machines 1, or leave it out"));
            };
            let file = MeiFile::mount(device.clone(), &self.mount)?;
            let shown = json!({
                "uuid": machine.id.to_string(),
                "mount": self.mount,
                "address": machine.address.to_string(),
                "version": version.to_string(),
                "lms": self.lms.map(|address| address.to_string()),
            });
            out.show(&shown, |w| {
                writeln!(w, "AMT {version}, {}, at {}", machine.id, self.mount.display())?;
                writeln!(w, "its network side: {}", machine.address)?;
                match self.lms {
                    Some(address) => writeln!(w, "local management service: {address}, ports 16992 and 16993"),
                    None => writeln!(w, "no local management service"),
                }
            })?;
            out.flush()?;
            tokio::select! {
                () = stop.wait() => {}
                served = serve(device, self.lms) => served?,
            }
            drop(file);
            simulator.stop().await?;
            Ok(Verdict::Done)
        })
    }
}

async fn serve(device: MeiDevice, lms: Option<Ipv4Addr>) -> Result<(), Failure> {
    let Some(address) = lms else { return std::future::pending().await };
    device.serve_lms(address, 16992, 16993).await.map_err(|error| {
        let text = format!("a local management service at {address}: {error}");
        Failure::new(ErrorCode::LISTEN, "sim", text).hint("another one may run here: give another loopback address")
    })
}

/// What the driver would tell of healthy firmware.
fn facts(folder: &Path, version: &str) -> Result<(), Failure> {
    let parts = [
        ("fw_status", "90000245\n88112202\n00000020\n00000000\n00000000\n40200006\n".to_owned()),
        ("fw_ver", format!("0:{version}\n0:{version}\n0:{version}\n")),
        ("kind", "mei\n".to_owned()),
    ];
    for (name, text) in parts {
        let file = folder.join(name);
        std::fs::create_dir_all(folder)
            .and_then(|()| std::fs::write(&file, text))
            .map_err(|error| Failure::new(ErrorCode::FILE_WRITE, "sim", format!("{}: {error}", file.display())))?;
    }
    Ok(())
}
