//! Names of sensors, severities and entities, and what the events that AMT itself writes mean.

use super::{EventRecord, SensorType};

type Names = &'static [(u8, &'static str)];

pub(super) static SENSORS: Names = &[
    (1, "temperature"),
    (2, "voltage"),
    (3, "current"),
    (4, "fan"),
    (5, "physical security"),
    (6, "security violation"),
    (7, "processor"),
    (8, "power supply"),
    (9, "power unit"),
    (10, "cooling device"),
    (11, "other sensor"),
    (12, "memory"),
    (13, "drive slot"),
    (14, "memory resize"),
    (15, "firmware progress"),
    (16, "event logging"),
    (17, "watchdog"),
    (18, "system event"),
    (19, "critical interrupt"),
    (20, "button"),
    (21, "module or board"),
    (22, "microcontroller"),
    (23, "add-in card"),
    (24, "chassis"),
    (25, "chip set"),
    (26, "other FRU"),
    (27, "cable"),
    (28, "terminator"),
    (29, "system boot"),
    (30, "boot error"),
    (31, "boot of the operating system"),
    (32, "stop of the operating system"),
    (33, "slot or connector"),
    (34, "power state"),
    (35, "watchdog 2"),
    (36, "platform alert"),
    (37, "entity presence"),
    (38, "monitor ASIC"),
    (39, "network"),
    (40, "management subsystem"),
    (41, "battery"),
    (42, "session audit"),
    (43, "version change"),
    (44, "FRU state"),
];

pub(super) static SEVERITIES: Names = &[
    (0, "unspecified"),
    (1, "monitor"),
    (2, "information"),
    (4, "ok"),
    (8, "warning"),
    (16, "critical"),
    (32, "non-recoverable"),
];

pub(super) static EVENT_TYPES: Names = &[
    (0, "unspecified"),
    (1, "threshold"),
    (2, "usage state"),
    (3, "state"),
    (4, "predictive failure"),
    (5, "limit"),
    (6, "performance"),
    (7, "severity"),
    (8, "presence"),
    (9, "enabled state"),
    (10, "availability"),
    (11, "redundancy"),
    (12, "device power state"),
    (0x6f, "sensor-specific"),
];

pub(super) static ENTITIES: Names = &[
    (0, "unspecified"),
    (1, "other"),
    (2, "unknown"),
    (3, "processor"),
    (4, "disk"),
    (5, "peripheral bay"),
    (6, "system management module"),
    (7, "system board"),
    (8, "memory module"),
    (9, "processor module"),
    (10, "power supply"),
    (11, "add-in card"),
    (12, "front panel board"),
    (13, "back panel board"),
    (14, "power system board"),
    (15, "drive backplane"),
    (16, "expansion board"),
    (17, "other system board"),
    (18, "processor board"),
    (19, "power unit"),
    (20, "power module"),
    (21, "power distribution board"),
    (22, "chassis back panel"),
    (23, "system chassis"),
    (24, "sub-chassis"),
    (25, "other chassis board"),
    (26, "disk drive bay"),
    (27, "peripheral bay"),
    (28, "device bay"),
    (29, "fan"),
    (30, "cooling unit"),
    (31, "cable"),
    (32, "memory device"),
    (33, "system management software"),
    (34, "BIOS"),
    (35, "operating system"),
    (36, "system bus"),
    (37, "group"),
    (38, "Intel ME"),
    (39, "external environment"),
    (40, "battery"),
];

/// What stops a start (`FIRMWARE_PROGRESS`, offset 0).
static ERRORS: &[&str] = &[
    "an error without further word",
    "no memory is installed",
    "no usable memory",
    "a disk fails",
    "the system board fails",
    "a diskette drive fails",
    "a disk controller fails",
    "the keyboard fails",
    "there is no boot medium",
    "the video controller fails",
    "there is no video device",
    "the firmware in ROM is damaged",
    "the processors' voltages do not match",
    "the processors' speeds do not match",
];

/// How far a start has come (`FIRMWARE_PROGRESS`, offset 2).
static STEPS: &[&str] = &[
    "a step without further word",
    "memory",
    "disks",
    "further processors",
    "user authentication",
    "setup entered by the user",
    "USB",
    "PCI",
    "option ROMs",
    "video",
    "cache",
    "system management bus",
    "keyboard controller",
    "embedded controller",
    "docking station attached",
    "docking station enabled",
    "docking station ejected",
    "docking station disabled",
    "wake-up vector of the operating system",
    "boot of the operating system",
    "system board",
    "reserved step",
    "floppy drive",
    "keyboard",
    "pointing device",
    "first processor",
];

/// Marks data that AMT's own firmware wrote.
const OWN: u8 = 0xaa;
const SPECIFIC: u8 = 0x6f;

pub(super) fn text(record: &EventRecord) -> String {
    let [own, second, third, ..] = record.data;
    let own = own == OWN;
    let known = |names: &[&'static str]| names.get(usize::from(second)).copied();
    let said = match (record.sensor_type.0, record.offset) {
        _ if record.event_type.0 != SPECIFIC => None,
        (5, 0) => Some("the case was opened".to_owned()),
        (6, _) => {
            let count = u16::from_le_bytes([second, third]);
            Some(if count == 1 { "1 failed login".to_owned() } else { format!("{count} failed logins") })
        }
        (15, 0) => known(ERRORS).map(|what| format!("the start failed: {what}")),
        (15, 1) => known(STEPS).map(|what| format!("the start hangs: {what}")),
        (15, 2) => known(STEPS).map(|what| format!("start: {what}")),
        (30, 0) => Some("there is no boot medium".to_owned()),
        (32, 0 | 1) => Some("the operating system stopped".to_owned()),
        (192, 0) if own && second == 0x30 => match third {
            0 => Some("a serial-over-LAN session began".to_owned()),
            1 => Some("a serial-over-LAN session ended".to_owned()),
            2 => Some("a storage redirection session began".to_owned()),
            3 => Some("a storage redirection session ended".to_owned()),
            _ => None,
        },
        _ => None,
    };
    said.unwrap_or_else(|| plain(record))
}

/// The numbers, and the names that there are.
fn plain(record: &EventRecord) -> String {
    let sensor = match SensorType::name(record.sensor_type) {
        Some(name) => name.to_owned(),
        None => format!("sensor {}", record.sensor_type.0),
    };
    let data: String = record.data.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{sensor}, event type {}, offset {}, data {data}", record.event_type, record.offset)
}
