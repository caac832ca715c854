//! The list of machines that another console set up, as that console exports it.

use super::{MAX_KNOWN, MAX_MISTAKES, delimiter, line_of, not_closed, unclosed_quote};
use amt::discover::{NotHost, host as bare_host};
use amt_core::Secret;
use csv::StringRecord;
use std::collections::HashMap;

const NO_HOST: &str = "the host is no name and no address";

/// One machine of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Adoptee {
    /// Line of the list, from 1.
    pub line: u64,
    /// Name or address.
    pub host: String,
    /// Password of `admin`, if the list has it.
    pub password: Option<Secret<String>>,
    /// Profile that it is given.
    pub profile: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Column {
    Host,
    Password,
    Profile,
    /// Of the other console, passed over.
    Other,
}

impl Column {
    fn of(heading: &str) -> Self {
        match heading.to_ascii_lowercase().replace([' ', '-'], "_").as_str() {
            "host" | "name" | "fqdn" | "address" | "ip" | "hostname" | "host_name" => Self::Host,
            "password" | "admin_password" | "amt_password" => Self::Password,
            "profile" => Self::Profile,
            _ => Self::Other,
        }
    }
}

/// Reads a list: CSV, separated by commas, semicolons or tabs, under a heading. One column is the machine's name or address (`host`, `name`, `fqdn`,
/// `address`, `ip`), one may be `password`, one `profile`; others are passed over. Lines that are empty or begin with `#` are too.
///
/// # Errors
/// Everything that is wrong, with the line, without repeating a cell that may be a password.
pub fn parse_adoptees(text: &str) -> Result<Vec<Adoptee>, Vec<String>> {
    let text = text.trim_start_matches('\u{feff}');
    if let Some(line) = unclosed_quote(text, delimiter(text)) {
        return Err(vec![not_closed(line)]);
    }
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .comment(Some(b'#'))
        .delimiter(delimiter(text))
        .from_reader(text.as_bytes());
    let mut records = reader.records().filter(|record| {
        // A cell is trimmed where it is read: passwords are not.
        record.as_ref().map_or(true, |record| record.iter().any(|cell| !cell.trim().is_empty()))
    });
    let heading = match records.next() {
        Some(Ok(heading)) => heading,
        Some(Err(error)) => return Err(vec![plain(&error)]),
        None => return Err(vec!["there is nothing in it".to_owned()]),
    };
    let columns: Vec<Column> = heading.iter().map(|cell| Column::of(cell.trim())).collect();
    let at = |wanted: Column| columns.iter().position(|column| *column == wanted);
    let Some(host) = at(Column::Host) else {
        return Err(vec!["the heading names no column host (or name, fqdn, address, ip)".to_owned()]);
    };
    let (mut wrong, mut found, mut lines) = (Vec::new(), Vec::new(), HashMap::new());
    for record in records {
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                wrong.push(plain(&error));
                break;
            }
        };
        let line = line_of(text, &record);
        match adoptee(&record, line, host, at(Column::Password), at(Column::Profile)) {
            Ok(one) => match lines.insert(one.host.to_ascii_lowercase(), line) {
                Some(earlier) => wrong.push(format!("line {line}: {} is in line {earlier} too", one.host)),
                None => found.push(one),
            },
            Err(why) => wrong.push(format!("line {line}: {why}")),
        }
        if found.len() > MAX_KNOWN || wrong.len() > MAX_MISTAKES {
            wrong.push("and more".to_owned());
            break;
        }
    }
    if found.is_empty() && wrong.is_empty() {
        wrong.push("there is no machine in it".to_owned());
    }
    if wrong.is_empty() { Ok(found) } else { Err(wrong) }
}

fn adoptee(
    record: &StringRecord,
    line: u64,
    host: usize,
    password: Option<usize>,
    profile: Option<usize>,
) -> Result<Adoptee, String> {
    let cell = |at: Option<usize>| at.and_then(|at| record.get(at)).filter(|cell| !cell.trim().is_empty());
    let host = cell(Some(host)).ok_or("there is no host in it")?.trim();
    let host = bare_host(host).map_err(|why| match why {
        NotHost::More => "the host stands with a port, a scheme or a path: write the name or the address alone",
        _ => NO_HOST,
    })?;
    if host.is_empty() || host.len() > 255 {
        return Err(NO_HOST.to_owned());
    }
    // Two quotes that are not closed make a pair, with the lines between them in it.
    if [password, profile].into_iter().any(|at| cell(at).is_some_and(|cell| cell.contains(['\n', '\r']))) {
        return Err("a cell goes on in the next line: is a quote in it not closed?".to_owned());
    }
    Ok(Adoptee {
        line,
        host: host.to_owned(),
        password: cell(password).map(Secret::from),
        profile: cell(profile).map(|profile| profile.trim().to_owned()),
    })
}

/// What is wrong with the CSV, without its text.
fn plain(error: &csv::Error) -> String {
    match error.position() {
        Some(position) => format!("line {}: it is not CSV in UTF-8", position.line()),
        None => "it is not CSV in UTF-8".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(text: &str) -> Vec<(u64, String, Option<String>, Option<String>)> {
        let all = parse_adoptees(text).unwrap_or_else(|wrong| panic!("{wrong:?}"));
        let plain = |one: Adoptee| (one.line, one.host, one.password.map(|p| p.expose().clone()), one.profile);
        all.into_iter().map(plain).collect()
    }

    #[test]
    fn a_list_of_another_console_is_read_by_its_heading() {
        let text = "\u{feff}# exported\nUUID;Host Name;AMT Password;Profile\n\n1;pc1.example.com; P@ss word ;Office\n2;10.0.0.2;;\n";
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(
            hosts(text),
            [
                (4, "pc1.example.com".to_owned(), some(" P@ss word "), some("Office")),
                (5, "10.0.0.2".to_owned(), None, None)
            ]
        );
        assert_eq!(hosts("ip\n10.0.0.1\n").len(), 1);
    }

    #[test]
    fn a_quote_that_is_not_closed_is_told_with_its_line() {
        for (text, line) in [
            ("host,password\npc1,x\npc2,\"S3cret\npc3,y\npc4,z\n", 3),
            ("# a \"comment\nhost,password\n\"pc1,x\npc2,y", 3),
            ("host;password\r\n\r\npc1;\"a \"\"S3cret\r\npc2;y\r\n", 3),
            ("\"host,password\npc1,x\n", 1),
        ] {
            let wrong = parse_adoptees(text).unwrap_err();
            assert_eq!(wrong.len(), 1, "{wrong:?}");
            assert!(
                wrong[0].starts_with(&format!("line {line}: a quote ")) && !wrong[0].contains("S3cret"),
                "{wrong:?}"
            );
        }
        // Another quote further down closes it.
        let wrong = parse_adoptees("host,password\npc1,x\npc2,\"S3cret\npc3,\"y\npc4,z\n").unwrap_err();
        assert!(wrong[0].starts_with("line 3: a cell goes on") && !wrong[0].contains("S3cret"), "{wrong:?}");
        let fine = hosts("host,password,note\npc1,\"a,\"\"b\"\"\",\"two\nlines\"\npc2,c\"d,\n\"pc3\",e,\"\"\n");
        let passwords: Vec<_> = fine.into_iter().map(|(line, _, password, _)| (line, password.unwrap())).collect();
        assert_eq!(passwords, [(2, "a,\"b\"".to_owned()), (4, "c\"d".to_owned()), (5, "e".to_owned())]);
    }

    #[test]
    fn a_host_with_a_port_or_a_scheme_is_refused_with_its_line() {
        let text = "host\npc1:16993\nhttps://pc2/\n[fd00::1]:16993\npc3\n10.0.0.5/24\n";
        let wrong = parse_adoptees(text).unwrap_err();
        let lines: Vec<_> = wrong.iter().filter_map(|why| why.split_once(": the host stands with a port")).collect();
        assert_eq!(lines.iter().map(|(line, _)| *line).collect::<Vec<_>>(), ["line 2", "line 3", "line 4", "line 6"]);
        let fine: Vec<_> = hosts("host\n[fd00::1]\nfe80::1%eth0\n10.0.0.5\n").into_iter().map(|one| one.1).collect();
        assert_eq!(fine, ["fd00::1", "fe80::1%eth0", "10.0.0.5"]);
    }

    #[test]
    fn everything_wrong_is_told_at_once_and_no_password_is_repeated() {
        let text = "host,password\npc1,S3cret!x\n,S3cret!y\nPC1,S3cret!z\na b,S3cret!q\n";
        let wrong = parse_adoptees(text).unwrap_err();
        assert_eq!(wrong.len(), 3, "{wrong:?}");
        for (line, told) in [3, 4, 5].iter().zip(&wrong) {
            assert!(told.starts_with(&format!("line {line}: ")) && !told.contains("S3cret"), "{told}");
        }
        for nothing in ["", "\n#\n", "password\nx\n", "host\n"] {
            assert_eq!(parse_adoptees(nothing).unwrap_err().len(), 1, "{nothing:?}");
        }
    }
}
