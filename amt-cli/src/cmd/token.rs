//! `amt fleet token`: who may enrol.

use super::fleet::Place;
use super::{Error, Verdict};
use crate::output::Output;
use crate::time::rfc3339;
use amt_core::SystemId;
use amt_fleet::{EnrolmentToken, MAX_TOKEN_USES, TokenTerms};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

/// How long a token is good for if nothing else is said.
const DEFAULT_EXPIRY: &str = "7d";

/// Tokens that clients enrol with through the intake
#[derive(clap::Subcommand)]
pub(super) enum Token {
    /// Make a token and show it, this once: give it to clients as the file of `amt enroll --token-file`
    ///
    /// The database keeps only its SHA-256. A token can enrol machines and nothing else: it opens no machine and reads nothing.
    New {
        /// How many machines may enrol with it
        #[arg(long, value_name = "NUMBER", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_TOKEN_USES)))]
        uses: u32,
        /// How long it is good for, such as 90min, 48h or 30d; or never, for no end
        #[arg(long, value_name = "TIME", default_value = DEFAULT_EXPIRY, value_parser = parse_expiry)]
        expires: Expiry,
        /// The only machine that may enrol with it
        #[arg(long, value_name = "UUID")]
        machine: Option<SystemId>,
        /// What it is for, in your words
        #[arg(long, value_name = "TEXT")]
        note: Option<String>,
        /// Write the token to this file, readable by you alone, instead of standard output
        #[arg(short, long, value_name = "FILE", default_value = "-")]
        output: PathBuf,
        #[command(flatten)]
        place: Place,
    },
    /// Every token, without the tokens themselves: uses, end, note
    List {
        #[command(flatten)]
        place: Place,
    },
    /// Let nobody enrol with a token any more; machines that did stay enrolled
    Revoke {
        /// Its number, as `amt fleet token list` shows it
        number: i64,
        #[command(flatten)]
        place: Place,
    },
    /// Forget the client key of a machine, so that a client there can enrol anew with a token
    ///
    /// For a client that lost its state, or a system installed afresh. What the old client reported stays; its key is worth nothing any more.
    /// The use of the token that it enrolled with comes back: revoke that token if it is in wrong hands.
    Reset {
        /// The machine's UUID
        uuid: SystemId,
        #[command(flatten)]
        place: Place,
    },
}

/// When a token ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expiry(Option<Duration>);

fn parse_expiry(text: &str) -> Result<Expiry, String> {
    if text == "never" {
        return Ok(Expiry(None));
    }
    let time = humantime::parse_duration(text).map_err(|error| format!("{error}; or write never"))?;
    if time.is_zero() || SystemTime::now().checked_add(time).is_none() {
        return Err("no token ends then; write a time such as 48h, or never".to_owned());
    }
    Ok(Expiry(Some(time)))
}

impl Token {
    pub(super) async fn run(self, out: &mut Output) -> Result<Verdict, Error> {
        match self {
            Self::New { uses, expires, machine, note, output, place } => {
                let mut terms = TokenTerms::default();
                terms.uses = uses;
                terms.expires_at = expires.0.and_then(|time| SystemTime::now().checked_add(time));
                (terms.machine, terms.note) = (machine, note);
                new(out, place, terms, output).await
            }
            Self::List { place } => list(out, place).await,
            Self::Revoke { number, place } => {
                let fleet = place.open().await?;
                fleet.revoke_token(number).await?;
                fleet.close().await;
                out.show(&json!({ "number": number, "revoked": true }), |w| {
                    writeln!(w, "nobody can enrol with token {number} any more")
                })?;
                Ok(Verdict::Done)
            }
            Self::Reset { uuid, place } => {
                let fleet = place.open().await?;
                let was_enrolled = fleet.reset_enrolment(uuid).await?;
                fleet.close().await;
                let document = json!({ "uuid": uuid.to_string(), "was_enrolled": was_enrolled });
                out.show(&document, |w| match was_enrolled {
                    true => writeln!(w, "{uuid} can be enrolled anew; its former client is no longer heard"),
                    false => writeln!(w, "no client was enrolled on {uuid}: nothing to forget"),
                })?;
                Ok(Verdict::Done)
            }
        }
    }
}

async fn new(out: &mut Output, place: Place, terms: TokenTerms, target: PathBuf) -> Result<Verdict, Error> {
    let fleet = place.open().await?;
    let (number, token) = fleet.new_token(terms.clone()).await?;
    fleet.close().await;
    let secret = token.reveal();
    let mut document = terms_json(&terms);
    document["number"] = number.into();
    document["token"] = secret.expose().as_str().into();
    let content = if out.is_json() { format!("{document}\n") } else { format!("{}\n", secret.expose()) };
    out.file(&target, content.as_bytes(), true)?;
    Ok(Verdict::Done)
}

async fn list(out: &mut Output, place: Place) -> Result<Verdict, Error> {
    let fleet = place.open().await?;
    let tokens = fleet.tokens().await?;
    fleet.close().await;
    let now = SystemTime::now();
    let document = json!({ "tokens": tokens.iter().map(|token| token_json(token, now)).collect::<Vec<_>>() });
    out.show(&document, |w| {
        for token in &tokens {
            let state = token.refusal(now).map_or("good".to_owned(), |code| code.name().to_ascii_lowercase());
            let uses = format!("{} of {}", token.used, token.terms.uses);
            let end = token.terms.expires_at.map_or("never".to_owned(), rfc3339);
            write!(w, "{:>4}  {state:<8}  used {uses:<16}  expires {end:<24}", token.number)?;
            if let Some(machine) = token.terms.machine {
                write!(w, "  only {machine}")?;
            }
            writeln!(w, "  {}", token.terms.note.as_deref().unwrap_or_default())?;
        }
        writeln!(w, "{} tokens, {} good", tokens.len(), tokens.iter().filter(|t| t.refusal(now).is_none()).count())
    })?;
    Ok(Verdict::Done)
}

fn token_json(token: &EnrolmentToken, now: SystemTime) -> Value {
    let mut object = terms_json(&token.terms);
    object["number"] = token.number.into();
    object["used"] = token.used.into();
    object["created_at"] = rfc3339(token.created_at).into();
    object["revoked_at"] = token.revoked_at.map(rfc3339).into();
    object["refused"] = token.refusal(now).map(|code| code.name()).into();
    object
}

fn terms_json(terms: &TokenTerms) -> Value {
    json!({
        "uses": terms.uses,
        "expires_at": terms.expires_at.map(rfc3339),
        "uuid": terms.machine.map(|id| id.to_string()),
        "note": terms.note,
    })
}
