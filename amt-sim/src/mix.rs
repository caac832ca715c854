//! Machines unlike the others of a set: what a real site has beside the fleet that fits.

use crate::chain::{RootHash, certificates_of};
use crate::firmware::MachineConfig;
use crate::net::SimConfig;
use crate::persona::Persona;
use crate::seed::Seeded;
use amt_core::psk::{Form, Pid, PskPair};
use amt_core::{ErrorCode, Failure, Secret, SystemId};
use serde::Deserialize;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Largest file that a mix names.
pub const MAX_FILE: u64 = 256 * 1024;

/// So many machines that differ; what is absent is as in the whole set.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Variant {
    /// How many.
    pub machines: usize,
    /// Firmware family.
    pub persona: Option<Arc<Persona>>,
    /// Root hashes that they trust.
    pub roots: Option<Vec<RootHash>>,
    /// DNS suffix.
    pub suffix: Option<String>,
    /// Admin password that was set before; their hello says so.
    pub admin_password: Option<Secret<String>>,
    /// Pairs that they wait for, instead of a certificate (firmware before AMT 11): the first for the first machine, and
    /// so on; one alone is shared by all.
    pub psk: Vec<PskPair>,
    /// PID of a pair whose PPS nobody knows; for machines that have none of `psk`.
    pub pid: Option<[u8; 8]>,
    /// One UUID for all of them, as boards have that nobody programmed.
    pub uuid: Option<SystemId>,
}

impl Variant {
    /// `machines` that do not differ yet.
    pub fn new(machines: usize) -> Self {
        Self { machines, ..Self::default() }
    }

    /// `machines` of all personas that speak WS-Management, in turn, one variant each: those with pre-shared keys once with a
    /// certificate and once with a key. They take `pairs` as [`SimConfig::psk`](crate::SimConfig) has them; where there is
    /// no pair left, the machine waits for a certificate.
    pub fn mixed(machines: usize, pairs: &[PskPair]) -> Vec<Self> {
        let kinds: Vec<(Arc<Persona>, bool)> = Persona::names()
            .filter_map(Persona::built_in)
            .filter(|persona| persona.version.capabilities().wsman)
            .flat_map(|persona| {
                let (psk, persona) = (!persona.tls.psk_suites.0.is_empty(), Arc::new(persona));
                std::iter::once((Arc::clone(&persona), false)).chain(psk.then_some((persona, true)))
            })
            .collect();
        let mut used = 0;
        let kinds = kinds.iter().cycle().take(machines);
        kinds
            .map(|(persona, psk)| {
                let pair = psk.then(|| pair_of(pairs, used)).flatten();
                used += usize::from(*psk);
                Self { persona: Some(Arc::clone(persona)), psk: Vec::from_iter(pair), ..Self::new(1) }
            })
            .collect()
    }

    /// How many of [`mixed`](Self::mixed) machines want a pair.
    pub fn pairs_wanted(machines: usize) -> usize {
        // A pair that all share shows who takes one.
        let shared = [unknown_pair(*b"00000000", 0)];
        Self::mixed(machines, &shared).iter().filter(|variant| !variant.psk.is_empty()).count()
    }

    /// Reads a mix: a TOML file with `[[machines]]` tables of `count` and, all optional, `persona` (a name or a file),
    /// `root` (list of certificate files), `root_hash` (`"sha1"`, `"sha256"`, `"sha384"`), `suffix`,
    /// `admin_password_file`, `psk_file` (as [`pairs`] reads it), `pid`, `uuid`. Relative paths are relative to `folder`.
    ///
    /// # Errors
    /// `CONFIG` if it is not that; `FILE_READ` and `CERTIFICATE_PARSE` with the file that it names.
    pub fn parse_mix(text: &str, folder: &Path) -> Result<Vec<Self>, Failure> {
        let file: MixFile =
            toml::from_str(text).map_err(|e| Failure::new(ErrorCode::CONFIG, "mix", e.to_string().trim_end()))?;
        file.machines.into_iter().map(|group| group.read(folder)).collect()
    }

    /// Makes a machine the `nth` of these, counted from 0.
    pub(crate) fn apply(&self, machine: &mut MachineConfig, nth: usize) {
        if let Some(persona) = &self.persona {
            machine.persona = Arc::clone(persona);
        }
        if let Some(roots) = &self.roots {
            machine.roots.clone_from(roots);
        }
        if self.suffix.is_some() {
            machine.suffix.clone_from(&self.suffix);
        }
        if self.admin_password.is_some() {
            machine.admin_password.clone_from(&self.admin_password);
        }
        let own = pair_of(&self.psk, nth).or_else(|| self.pid.map(|pid| unknown_pair(pid, machine.seed)));
        let has_suites = !machine.persona.tls.psk_suites.0.is_empty();
        machine.psk = own.or_else(|| machine.psk.take().filter(|_| has_suites));
        machine.id = self.uuid.unwrap_or(machine.id);
    }

    /// Refuses what no firmware of the version can be (`spec/hello-tls.md` §1.2, version history).
    pub(crate) fn check(&self, config: &SimConfig) -> Result<(), Failure> {
        let persona = self.persona.as_ref().unwrap_or(&config.persona);
        let version = persona.version;
        let can = version.capabilities();
        let sha1 = self.roots.iter().flatten().any(|root| root.algorithm == 1);
        let psk = self.pid.is_some() || !self.psk.is_empty();
        let wrong = if psk && !can.psk {
            "has no pre-shared keys"
        } else if !self.psk.is_empty() && persona.tls.psk_suites.0.is_empty() {
            "as this persona has it offers no suites of pre-shared keys"
        } else if sha1 && !can.sha1_chain {
            "lists no SHA-1 roots"
        } else {
            return Ok(());
        };
        Err(Failure::new(ErrorCode::INVALID_ARGUMENT, "sim", format!("AMT {version} {wrong}"))
            .hint("give these machines a persona of an older version"))
    }
}

/// Reads pairs: a line `PID,PPS` each, with or without dashes; empty lines and a heading `pid,pps` are passed over.
///
/// # Errors
/// `PSK_INVALID` with the line and what is wrong with it, never its characters.
pub fn pairs(text: &str) -> Result<Vec<PskPair>, Failure> {
    let mut pairs = Vec::new();
    for (at, line) in text.lines().enumerate() {
        if line.trim().is_empty() || line.trim().eq_ignore_ascii_case("pid,pps") {
            continue;
        }
        let (pid, pps) = line.split_once(',').unwrap_or((line, ""));
        let pair = PskPair::parse(pid, pps, Form::Typed).map_err(|mut failure| {
            failure.message = format!("line {}: {}", at + 1, failure.message);
            failure
        })?;
        pairs.push(pair);
    }
    Ok(pairs)
}

/// The pair of machine `nth`; one alone is everybody's.
pub(crate) fn pair_of(pairs: &[PskPair], nth: usize) -> Option<PskPair> {
    match pairs {
        [shared] => Some(shared.clone()),
        several => several.get(nth).cloned(),
    }
}

fn unknown_pair(pid: [u8; 8], seed: u64) -> PskPair {
    let mut random = Seeded::new(seed, "psk");
    let made = PskPair::generate(|buffer: &mut [u8]| {
        buffer.fill_with(|| random.bytes::<1>()[0]);
        Ok::<(), std::convert::Infallible>(())
    });
    let Ok(pair) = made;
    PskPair { pid: Pid(pid), ..pair }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MixFile {
    machines: Vec<Group>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    count: usize,
    persona: Option<String>,
    root: Option<Vec<PathBuf>>,
    #[serde(default)]
    root_hash: HashName,
    suffix: Option<String>,
    admin_password_file: Option<PathBuf>,
    psk_file: Option<PathBuf>,
    pid: Option<String>,
    uuid: Option<String>,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum HashName {
    Sha1,
    #[default]
    Sha256,
    Sha384,
}

impl Group {
    fn read(self, folder: &Path) -> Result<Variant, Failure> {
        let persona = self.persona.map(|name| persona(&name, folder)).transpose()?;
        let roots = self.root.map(|files| roots(&files, self.root_hash, folder)).transpose()?;
        let admin_password = self.admin_password_file.map(|file| first_line(&folder.join(file))).transpose()?;
        let psk = self.psk_file.map(|file| pairs(&text(&folder.join(file))?)).transpose()?.unwrap_or_default();
        let pid = self.pid.map(|text| pid(&text)).transpose()?;
        let uuid = self.uuid.map(|text| text.parse()).transpose()?;
        Ok(Variant {
            machines: self.count,
            persona: persona.map(Arc::new),
            roots,
            suffix: self.suffix,
            admin_password,
            psk,
            pid,
            uuid,
        })
    }
}

fn persona(name: &str, folder: &Path) -> Result<Persona, Failure> {
    match Persona::built_in(name) {
        Some(persona) => Ok(persona),
        None => Persona::parse(&text(&folder.join(name))?),
    }
}

fn roots(files: &[PathBuf], hash: HashName, folder: &Path) -> Result<Vec<RootHash>, Failure> {
    let mut roots = Vec::new();
    for file in files {
        let path = folder.join(file);
        let certificates = certificates_of(&bytes(&path)?).map_err(|mut failure| {
            failure.message = format!("{}: {}", path.display(), failure.message);
            failure
        })?;
        roots.extend(certificates.iter().map(|der| match hash {
            HashName::Sha1 => RootHash::sha1(der),
            HashName::Sha256 => RootHash::sha256(der),
            HashName::Sha384 => RootHash::sha384(der),
        }));
    }
    Ok(roots)
}

/// `AMT1-SET7` or without the dash.
fn pid(text: &str) -> Result<[u8; 8], Failure> {
    let bare: Vec<u8> = text.bytes().filter(|b| *b != b'-').collect();
    <[u8; 8]>::try_from(bare)
        .map_err(|_| Failure::new(ErrorCode::CONFIG, "mix", format!("pid: {text:?} is not eight characters")))
}

fn first_line(path: &Path) -> Result<Secret<String>, Failure> {
    Ok(Secret::from(text(path)?.lines().next().unwrap_or_default()))
}

fn text(path: &Path) -> Result<String, Failure> {
    String::from_utf8(bytes(path)?)
        .map_err(|_| Failure::new(ErrorCode::NOT_UTF8, "mix", format!("{}: not UTF-8", path.display())))
}

fn bytes(path: &Path) -> Result<Vec<u8>, Failure> {
    let failed = |e: std::io::Error| Failure::new(ErrorCode::FILE_READ, "mix", format!("{}: {e}", path.display()));
    let mut content = Vec::new();
    std::fs::File::open(path).map_err(failed)?.take(MAX_FILE + 1).read_to_end(&mut content).map_err(failed)?;
    if content.len() as u64 > MAX_FILE {
        let text = format!("{}: more than {MAX_FILE} bytes", path.display());
        return Err(Failure::new(ErrorCode::DECODE_TOO_LARGE, "mix", text));
    }
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "based_on = \"amt-16.0\"\nname = \"old\"\nversion = \"9.1.0\"\n";

    #[test]
    fn a_mix_is_read_with_its_files() {
        let folder = tempfile::tempdir().unwrap();
        let chain = crate::authority::ProvisioningChain::new("example.com");
        for (name, content) in [("old.toml", OLD), ("root.pem", &chain.root_pem()), ("password", "S3cret!\nmore")] {
            std::fs::write(folder.path().join(name), content).unwrap();
        }
        let mix = "[[machines]]\ncount = 2\nroot = [\"root.pem\"]\nroot_hash = \"sha1\"\npersona = \"old.toml\"\n\
                   [[machines]]\ncount = 3\npid = \"AMT1-SET7\"\nsuffix = \"lab.example.com\"\n\
                   admin_password_file = \"password\"\nuuid = \"03000200-0400-0500-0006-000700080009\"\n";
        let [first, second] = <[Variant; 2]>::try_from(Variant::parse_mix(mix, folder.path()).unwrap()).unwrap();
        assert_eq!((first.machines, first.roots), (2, Some(vec![RootHash::sha1(chain.root())])));
        assert_eq!(first.persona.unwrap().version.major, 9);
        assert_eq!((second.machines, second.pid), (3, Some(*b"AMT1SET7")));
        assert_eq!(second.admin_password.unwrap().expose(), "S3cret!");
        assert!(!second.uuid.unwrap().is_usable_as_key());
        for wrong in
            ["", "[[machines]]\n", "[[machines]]\ncount = 1\nspeed = 2\n", "[[machines]]\ncount=1\npid=\"x\"\n"]
        {
            assert_eq!(Variant::parse_mix(wrong, folder.path()).unwrap_err().code, ErrorCode::CONFIG, "{wrong}");
        }
        let missing = "[[machines]]\ncount = 1\nroot = [\"nowhere.pem\"]\n";
        assert_eq!(Variant::parse_mix(missing, folder.path()).unwrap_err().code, ErrorCode::FILE_READ);
    }

    #[test]
    fn a_mixed_set_has_every_persona_in_turn_and_deals_out_the_pairs() {
        let text = "AMT1-SET7,CAT0-AGDO-YBLF-6HCD-QR61-IQXQ-VORV-W8VD\n\
                    0000-037M,NKLD-G5DC-RRNQ-E9YZ-ZIJL-7LFL-VJED-69XJ\n";
        let pairs = pairs(text).unwrap();
        let mixed = Variant::mixed(32, &pairs[..1]);
        let names: Vec<_> = mixed.iter().map(|v| v.persona.as_ref().unwrap().name.as_str()).collect();
        assert_eq!(names[..3], ["amt-3.2", "amt-3.2", "amt-5.0"]);
        assert_eq!((names[15], names[16]), ("amt-22.0", "amt-3.2"));
        let keyed = |set: &[Variant]| set.iter().filter(|v| !v.psk.is_empty()).count();
        assert_eq!((keyed(&mixed), Variant::pairs_wanted(32)), (8, 8), "a shared pair is everybody's");
        let two = Variant::mixed(32, &pairs);
        let dealt: Vec<_> = two.iter().flat_map(|v| &v.psk).collect();
        assert_eq!(dealt, pairs.iter().collect::<Vec<_>>(), "each is dealt out once");
        assert_eq!(keyed(&Variant::mixed(32, &[])), 0);
    }

    #[test]
    fn pairs_are_read_with_the_line_that_is_wrong_and_without_the_secret() {
        let pps = "CAT0AGDOYBLF6HCDQR61IQXQVORVW8VD";
        assert_eq!(pairs(&format!("pid,pps\nAMT1SET7,{pps}\n\namt1-set7,{pps}\n")).unwrap().len(), 2);
        for wrong in [format!("\nAMT1SET8,{pps}"), format!("\nAMT1SET7,{pps}X"), "\nAMT1SET7".to_owned()] {
            let error = pairs(&wrong).unwrap_err();
            assert_eq!(error.code, ErrorCode::PSK_INVALID);
            assert!(error.message.starts_with("line 2: ") && !error.message.contains("CAT0"), "{error}");
        }
    }

    #[test]
    fn what_no_firmware_of_the_version_can_be_is_refused() {
        let config = SimConfig::new(1);
        let mut psk = Variant::new(1);
        psk.pid = Some(*b"AMT1SET7");
        let mut sha1 = Variant::new(1);
        sha1.roots = Some(vec![RootHash::sha1(b"root")]);
        for variant in [&mut psk, &mut sha1] {
            assert_eq!(variant.check(&config).unwrap_err().code, ErrorCode::INVALID_ARGUMENT);
            variant.persona = Some(Arc::new(Persona::parse(OLD).unwrap()));
            variant.check(&config).unwrap();
        }
    }
}
