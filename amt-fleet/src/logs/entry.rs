//! One line of a log taken apart: message, and where the format has them, time, thread and component.

/// Longest time, thread or component that is kept, in characters.
pub const MAX_FIELD: usize = 64;

/// What a line says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry<'a> {
    /// The message, or the whole line where the format is not known.
    pub message: &'a str,
    /// Time as written, without a conversion: logs do not agree on how they tell the zone.
    pub time: Option<String>,
    /// Thread, for logs of several at once.
    pub thread: Option<&'a str>,
    /// Component.
    pub component: Option<&'a str>,
}

impl<'a> Entry<'a> {
    /// Takes a line apart. Three forms are known; any other line is all message.
    ///
    /// - `message  $$<COMPONENT><11-19-2009 11:35:01.123+300><thread=2880 (0xB40)>`, Configuration Manager 2007
    /// - `<![LOG[message]LOG]!><time="11:35:01.123+300" date="11-19-2009" component="…" … thread="2880" …>`, later ones
    /// - `message  COMPONENT  11/19/2009 11:35:01 AM  2880 (0x0B40)`, as copied from the viewer
    /// - an RFC 3339 time, or `2009-11-19 11:35:01`, at the beginning, as most other tools write
    pub fn of(line: &'a str) -> Self {
        cmtrace(line)
            .or_else(|| dollars(line))
            .or_else(|| viewer(line))
            .or_else(|| leading_time(line))
            .unwrap_or(Self { message: line.trim(), ..Self::default() })
    }
}

fn cmtrace(line: &str) -> Option<Entry<'_>> {
    let (_, rest) = line.split_once("<![LOG[")?;
    // A line that was cut off has no end of the message.
    let Some((message, tail)) = rest.split_once("]LOG]!>") else {
        return Some(Entry { message: rest.trim(), ..Entry::default() });
    };
    let attribute = |name: &str| {
        let (_, value) = tail.split_once(name)?;
        let (value, _) = value.strip_prefix("=\"")?.split_once('"')?;
        short(value)
    };
    let time = match (attribute("date"), attribute("time")) {
        (Some(date), Some(time)) => Some(format!("{date} {time}")),
        (None, Some(time)) => Some(time.to_owned()),
        _ => None,
    };
    Some(Entry { message: message.trim(), time, thread: attribute("thread"), component: attribute("component") })
}

fn dollars(line: &str) -> Option<Entry<'_>> {
    let (message, tail) = line.rsplit_once("$$<")?;
    let mut parts = tail.split('<').map(|part| part.trim_end().trim_end_matches('>'));
    let component = parts.next().and_then(short);
    let time = parts.next().and_then(short).map(str::to_owned);
    let thread = parts.find_map(|part| part.strip_prefix("thread=")).and_then(short);
    Some(Entry { message: message.trim(), time, thread, component })
}

/// Columns parted by tabs or several blanks: message, component, time, thread.
fn viewer(line: &str) -> Option<Entry<'_>> {
    let at = line.find("SMS_AMT_OPERATION_MANAGER")?;
    let (message, tail) = line.split_at_checked(at)?;
    let (component, tail) = tail.split_at_checked("SMS_AMT_OPERATION_MANAGER".len())?;
    let mut columns =
        tail.split(['\t']).flat_map(|part| part.split("  ")).map(str::trim).filter(|part| !part.is_empty());
    let time = columns.next().and_then(short).map(str::to_owned);
    let thread = columns.next().and_then(short);
    Some(Entry { message: message.trim(), time, thread, component: Some(component) })
}

fn leading_time(line: &str) -> Option<Entry<'_>> {
    let line = line.trim_start_matches(['[', ' ', '"']);
    let bytes = line.as_bytes();
    let digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    let is = |at: usize, set: &[u8]| bytes.get(at).is_some_and(|b| set.contains(b));
    let date = (0..4).all(digit) && is(4, b"-/") && digit(5) && digit(6) && is(7, b"-/") && digit(8) && digit(9);
    let clock = is(10, b"T ") && digit(11) && digit(12) && is(13, b":") && digit(14) && digit(15);
    if !(date && clock) {
        return None;
    }
    let rest = line.get(11..)?;
    let end = 11 + rest.find(|c: char| !(c.is_ascii_digit() || ":.,+-Z".contains(c))).unwrap_or(rest.len());
    let (time, message) = line.split_at_checked(end)?;
    Some(Entry {
        message: message.trim_start_matches([']', ' ', '\t', '"']),
        time: Some(short(time)?.to_owned()),
        ..Entry::default()
    })
}

/// The field, if it is not absurdly long.
fn short(field: &str) -> Option<&str> {
    let field = field.trim();
    (!field.is_empty() && field.len() <= MAX_FIELD).then_some(field)
}
