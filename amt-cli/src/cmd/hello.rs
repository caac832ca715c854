//! `amt hello decode FILE`: what a captured hello says.

mod send;

use super::{Error, Verdict};
use crate::input;
use crate::output::Output;
use amt_core::hello::{Hello as Message, HelloKind, MAX_HELLO, RootHash};
use amt_core::pki::known;
use amt_core::{ErrorCode, Failure};
use serde_json::{Value, json};
use std::io::{self, Write};
use std::path::PathBuf;

/// Largest file: the largest hello as hex text with `0x`, comma and space around every byte.
pub(super) const MAX_FILE: usize = 8 * MAX_HELLO;

/// Hello messages of machines that wait to be set up
#[derive(clap::Args)]
pub(crate) struct Hello {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    Decode(Decode),
    Send(send::Send),
}

/// Say what a captured hello means
#[derive(clap::Args)]
struct Decode {
    /// The hello, as bytes or as hex text; - is standard input
    file: PathBuf,
}

impl Hello {
    pub(crate) fn run(self, out: &mut Output) -> Result<Verdict, Error> {
        let file = match self.command {
            Command::Decode(Decode { file }) => file,
            Command::Send(send) => return send.run(out),
        };
        let hello = decode(&input::read(&file, MAX_FILE)?)?;
        out.show(&document(&hello), |w| write(w, &hello))?;
        Ok(Verdict::Done)
    }
}

/// A hello out of a file's content: bytes, or text that is nothing but hex digits, white space, colons, commas, dashes and `0x`.
pub(super) fn decode(content: &[u8]) -> Result<Message, Failure> {
    match from_hex(content)? {
        Some(bytes) => Ok(Message::decode(&bytes)?),
        None => Ok(Message::decode(content)?),
    }
}

/// The bytes that hex text stands for; `None` if the content is no such text. A hello itself never is: its second byte is 0.
fn from_hex(content: &[u8]) -> Result<Option<Vec<u8>>, Failure> {
    let Ok(text) = std::str::from_utf8(content) else { return Ok(None) };
    let text = text.trim_start_matches('\u{feff}').to_ascii_lowercase().replace("0x", " ");
    let digits: Vec<u8> = text.bytes().filter(|byte| !b" \t\r\n:,;-".contains(byte)).collect();
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_hexdigit) {
        return Ok(None);
    }
    let value = |digit: u8| if digit.is_ascii_digit() { digit - b'0' } else { digit - b'a' + 10 };
    match digits.as_chunks() {
        (pairs, []) => Ok(Some(pairs.iter().map(|[high, low]| value(*high) << 4 | value(*low)).collect())),
        _ => Err(Failure::new(ErrorCode::PARSE_TEXT, "decode", "the hex text has an odd number of digits")),
    }
}

fn document(hello: &Message) -> Value {
    let (kind, pid) = match &hello.kind {
        HelloKind::Psk { pid } => ("psk", Some(pid.0.escape_ascii().to_string())),
        _ => ("pki", None),
    };
    let root = |root: RootHash<'_>| json!({"algorithm": root.algorithm.to_string(), "fingerprint": root.hex()});
    json!({
        "type": kind,
        "retry": hello.retry,
        "admin_credentials_set": hello.admin_credentials_set,
        "uuid": hello.id.to_string(),
        "pid": pid,
        "roots": hello.roots().iter().map(root).collect::<Vec<_>>(),
        "trailing": hello.trailing,
    })
}

fn write(w: &mut dyn Write, hello: &Message) -> io::Result<()> {
    let usable =
        if hello.id.is_usable_as_key() { "" } else { "  (not programmed, or shared by many machines: no key)" };
    writeln!(w, "machine      {}{usable}", hello.id)?;
    writeln!(w, "attempt      {}", u64::from(hello.retry) + 1)?;
    let credentials = if hello.admin_credentials_set { "already changed" } else { "as they left the factory" };
    writeln!(w, "credentials  {credentials}")?;
    match &hello.kind {
        HelloKind::Psk { pid } => writeln!(w, "waits for    a pre-shared key (PSK), PID {pid}")?,
        _ => writeln!(w, "waits for    a provisioning certificate (PKI) with one of {} roots", hello.roots().len())?,
    }
    let guess = hello.firmware_guess();
    write!(w, "firmware     likely {}.{} or later", guess.at_least.major, guess.at_least.minor)?;
    if let Some(below) = guess.below {
        write!(w, ", before {}.{}", below.major, below.minor)?;
    }
    writeln!(w, ": {}", guess.because)?;
    if hello.trailing > 0 {
        writeln!(w, "warning      {} bytes follow the message", hello.trailing)?;
    }
    if matches!(hello.kind, HelloKind::Pki { .. }) && hello.roots().is_empty() {
        writeln!(w, "warning      no active root hash: no certificate can match")?;
    }
    for root in hello.roots() {
        let name = known::by_sha256(root.fingerprint).map_or("", |known| known.name);
        writeln!(w, "  {:<7} {}  {name}", root.algorithm.to_string(), root.hex())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PSK: &str = "010002000000000033221100554477668899aabbccddeeff414d543153455437";

    #[test]
    fn hex_is_read_in_any_writing() {
        let spaced: String =
            PSK.as_bytes().chunks(2).map(|p| format!("{} ", std::str::from_utf8(p).unwrap())).collect();
        let colons = spaced.trim().replace(' ', ":");
        let prefixed: String = spaced.split_whitespace().map(|byte| format!("0x{byte}, ")).collect();
        let broken = format!("\r\n{}\n{}\n", &PSK[..20].to_uppercase(), &PSK[20..]);
        for text in [PSK, &spaced, &colons, &prefixed, &broken, &format!("0x{PSK}")] {
            let hello = decode(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(hello.id.to_string(), "00112233-4455-6677-8899-aabbccddeeff");
        }
    }

    #[test]
    fn bytes_are_read_as_they_are() {
        let bytes = from_hex(PSK.as_bytes()).unwrap().unwrap();
        assert_eq!(decode(&bytes).unwrap(), decode(PSK.as_bytes()).unwrap());
    }

    #[test]
    fn half_a_byte_of_hex_is_named() {
        assert_eq!(decode(&PSK.as_bytes()[1..]).unwrap_err().code, ErrorCode::PARSE_TEXT);
    }

    #[test]
    fn the_document_has_the_promised_shape() {
        let psk = document(&decode(PSK.as_bytes()).unwrap());
        let expected = json!({
            "type": "psk", "retry": 0, "admin_credentials_set": true, "uuid": "00112233-4455-6677-8899-aabbccddeeff",
            "pid": "AMT1SET7", "roots": [], "trailing": 0,
        });
        assert_eq!(psk, expected);
        let text = "000003000700000033221100554477668899aabbccddeeff010114f991cea8a736e442ae795660b1896986d06020d4ff";
        let pki = document(&decode(text.as_bytes()).unwrap());
        let roots = json!([{"algorithm": "sha1", "fingerprint": "f991cea8a736e442ae795660b1896986d06020d4"}]);
        assert_eq!((&pki["type"], &pki["pid"], &pki["roots"]), (&json!("pki"), &Value::Null, &roots));
        assert_eq!((&pki["retry"], &pki["trailing"]), (&json!(7), &json!(1)));
    }
}
