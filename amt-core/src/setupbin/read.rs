//! Reading a file: what can be read, or only what a machine takes (`spec/setupbin.md` §7).

use super::lint::{List, structure};
use super::{Header, MAX_FILE, MAX_RECORDS, Record, SetupBin, refused};
use crate::{Failure, Secret, Severity};

impl SetupBin {
    /// Reads what can be read: as many records as there are, up to [`MAX_RECORDS`]. What is odd stays as it is; [`lint`](super::lint())
    /// tells it. A record whose entries run into something that is none ends there, see [`Entries::stop`](super::Entries::stop).
    ///
    /// # Errors
    /// `SETUP_BIN` if there is no header: fewer than 512 bytes, or the GUID of no version. `DECODE_TOO_LARGE` above [`MAX_FILE`].
    pub fn read(file: &[u8]) -> Result<Self, Failure> {
        if file.len() > MAX_FILE {
            return Err(
                crate::codec::DecodeError::TooLarge { field: "setup.bin", max: MAX_FILE, have: file.len() }.into()
            );
        }
        let header = Header::read(file)?;
        let header_size = header.size(file.len());
        let size = header.record_size();
        let data = file.get(header_size..).unwrap_or_default();
        let told = usize::try_from(header.count).unwrap_or(usize::MAX);
        let count = told.min(data.len() / size).min(MAX_RECORDS);
        let (data, trailing) = data.split_at_checked(count * size).unwrap_or((data, &[]));
        let records = data.chunks_exact(size).filter_map(Record::read).collect();
        Ok(Self { header, header_size, records, trailing: Secret::new(trailing.to_vec()) })
    }

    /// Reads a file that every rule about its structure allows: the header, counts, sizes, and where entries end. What the values say is
    /// not looked at.
    ///
    /// # Errors
    /// `SETUP_BIN` names the first field that breaks a rule; `DECODE_TOO_LARGE` above [`MAX_FILE`].
    pub fn decode(file: &[u8]) -> Result<Self, Failure> {
        let read = Self::read(file)?;
        let mut errors = List::new(1, Severity::Error);
        structure::check(&read, &mut errors);
        match errors.into_inner().into_iter().next() {
            Some(finding) => Err(refused(format!("{}: {}", finding.field, finding.message)).hint(finding.hint)),
            None => Ok(read),
        }
    }
}
