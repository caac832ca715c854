//! The firmware's status registers (`spec/heci.md` §4.2): what the machine tells before any client answers.

/// Most registers.
pub const MAX_REGISTERS: usize = 6;

/// Up to six registers, HFSTS1 first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StatusRegisters(pub Vec<u32>);

impl StatusRegisters {
    /// Reads the text of `fw_status`: up to six lines of eight hexadecimal digits. Lines that are none end it.
    pub fn parse(text: &str) -> Self {
        let number = |line: &str| (line.len() == 8).then(|| u32::from_str_radix(line, 16).ok()).flatten();
        Self(text.lines().take(MAX_REGISTERS).map_while(|line| number(line.trim())).collect())
    }

    fn first(&self) -> Option<u32> {
        self.0.first().copied()
    }

    /// Working state, in words.
    pub fn working_state(&self) -> Option<&'static str> {
        Some(match self.first()? & 0xF {
            0 => "reset",
            1 => "starting",
            2 => "recovery",
            3 => "test",
            4 => "disabled",
            5 => "normal",
            6 => "waiting",
            7 => "in transition",
            _ => "invalid",
        })
    }

    /// Operating mode, in words.
    pub fn operating_mode(&self) -> Option<&'static str> {
        Some(match self.first()? >> 16 & 0xF {
            0 => "normal",
            2 => "debug",
            3 => "disabled for now",
            4 => "overridden by a jumper",
            5 => "overridden by the host",
            _ => "unknown",
        })
    }

    /// Error code; 0: none.
    pub fn error(&self) -> Option<u32> {
        Some(self.first()? >> 12 & 0xF)
    }

    /// The machine has left the factory's hands: manufacturing mode is closed.
    pub fn is_manufacturing_closed(&self) -> Option<bool> {
        Some(self.first()? & 1 << 4 == 0)
    }

    /// A firmware update is under way.
    pub fn is_updating(&self) -> Option<bool> {
        Some(self.first()? & 1 << 11 != 0)
    }

    /// Whether the firmware works as it should.
    pub fn is_healthy(&self) -> Option<bool> {
        let first = self.first()?;
        Some(first & 0xF == 5 && first >> 12 & 0xF == 0 && first >> 16 & 0xF == 0)
    }

    /// What is wrong, in one sentence; none if nothing is, or nothing is known.
    pub fn trouble(&self) -> Option<String> {
        if self.is_healthy()? {
            return None;
        }
        let (state, mode) = (self.working_state()?, self.operating_mode()?);
        Some(format!("the firmware's state is {state}, its mode {mode}, its error code {}", self.error()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_healthy_machine_has_no_trouble() {
        let status = StatusRegisters::parse("90000245\n88112202\n00000020\n00000000\n00000000\n40200006\n");
        assert_eq!(status.0.len(), 6);
        assert_eq!(status.is_healthy(), Some(true));
        assert_eq!((status.working_state(), status.trouble()), (Some("normal"), None));
    }

    #[test]
    fn trouble_is_told_in_words() {
        let status = StatusRegisters::parse("00043254\n");
        let text = status.trouble().unwrap();
        assert!(text.contains("disabled") && text.contains("jumper") && text.contains("code 3"), "{text}");
        assert_eq!(status.is_manufacturing_closed(), Some(false));
        for nothing in ["", "zz", "123\n", "000432541"] {
            assert_eq!(StatusRegisters::parse(nothing).is_healthy(), None, "{nothing:?}");
        }
    }
}
