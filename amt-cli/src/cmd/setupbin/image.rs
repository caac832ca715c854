//! `image`: the bytes of a stick that a BIOS reads (`spec/setupbin.md` §5.1).
//!
//! One file, the first in the root folder of a fresh volume, in one piece, under its short name. The same file gives the same image.

use super::super::{Error, Verdict};
use crate::output::Output;
use amt_core::setupbin::SetupBin;
use amt_core::{ErrorCode, Failure, Secret};
use fatfs::{FatType, FileSystem, FormatVolumeOptions, FsOptions};
use serde_json::json;
use std::io::{self, Cursor, Write};
use std::path::{Path, PathBuf};

/// Make the image of a USB stick with the file on it, to be copied to a stick byte by byte
///
/// Old BIOSes read FAT16 on sticks of 17 to 512 MiB, newer ones FAT32 as well. `-o /dev/sdX` writes to the stick itself, which
/// loses everything on it.
#[derive(clap::Args)]
pub(super) struct Image {
    /// The setup.bin; - is standard input
    file: PathBuf,

    /// Where to write the image, readable by its owner only; - is standard output
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,

    /// Size in MiB: 17 to 512, with FAT32 34 to 512
    #[arg(long, value_name = "MIB", default_value_t = 64)]
    size: u32,

    /// 16 for every BIOS, 32 for newer ones
    #[arg(long, value_name = "BITS", default_value = "16", value_parser = ["16", "32"])]
    fat: String,

    /// Begin with a partition table and one partition at 1 MiB, instead of the volume itself
    #[arg(long)]
    partition: bool,
}

const SECTOR: usize = 512;
const MIB: usize = 1024 * 1024;
/// Largest image; more than 512 MiB is not safe with old BIOSes.
const MAX_SIZE: u32 = 512;
/// Name of the file on the stick.
const NAME: &str = "SETUP.BIN";

/// What an image is to be like.
struct Layout {
    size: usize,
    fat32: bool,
    partition: bool,
}

impl Image {
    pub(super) fn run(self, out: &mut Output) -> Result<Verdict, Error> {
        let fat32 = self.fat == "32";
        let least = if fat32 { 34 } else { 17 } + u32::from(self.partition);
        if !(least..=MAX_SIZE).contains(&self.size) {
            let hint = format!("give --size {least} to {MAX_SIZE}");
            return Err(Error::usage(format!("an image of {} MiB is of no use", self.size), hint));
        }
        let content = super::content(&self.file)?;
        let file = SetupBin::decode(content.expose())?;
        let layout = Layout { size: self.size as usize * MIB, fat32, partition: self.partition };
        let image = layout.image(content.expose()).map(Secret::new).map_err(|error| {
            Failure::new(ErrorCode::IO, "image", format!("the volume cannot be made: {error}"))
                .hint("the file may be larger than the stick: give a larger --size")
        })?;
        out.file(&self.output, image.expose(), true)?;
        if self.output != Path::new("-") {
            let document = json!({
                "file": self.output.display().to_string(),
                "mib": self.size,
                "fat": if fat32 { 32 } else { 16 },
                "partition": self.partition,
                "records": file.records().len(),
            });
            out.show(&document, |w| {
                let records = super::records(file.records().len());
                writeln!(w, "{}: {} MiB, FAT{}, {NAME} with {records}", self.output.display(), self.size, self.fat)
            })?;
        }
        Ok(Verdict::Done)
    }
}

impl Layout {
    fn image(&self, content: &[u8]) -> io::Result<Vec<u8>> {
        let mut image = vec![0; self.size];
        let start = if self.partition { MIB } else { 0 };
        let volume = &mut image[start..];
        self.format(volume)?;
        // How many sectors stand before the volume: a boot sector tells it, and the crate leaves it zero.
        let before = ((start / SECTOR) as u32).to_le_bytes();
        volume[0x1c..0x20].copy_from_slice(&before);
        if self.fat32 {
            // FAT32 keeps a copy of its boot sector.
            volume[6 * SECTOR + 0x1c..6 * SECTOR + 0x20].copy_from_slice(&before);
        }
        let volume = FileSystem::new(Cursor::new(volume), FsOptions::new())?;
        let mut file = volume.root_dir().create_file(NAME)?;
        file.write_all(content)?;
        file.flush()?;
        drop(file);
        volume.unmount()?;
        if self.partition {
            self.partition_table(&mut image);
        }
        Ok(image)
    }

    fn format(&self, volume: &mut [u8]) -> io::Result<()> {
        let fat = if self.fat32 { FatType::Fat32 } else { FatType::Fat16 };
        let sectors = (volume.len() / SECTOR) as u32;
        // The geometry that BIOSes assume for sticks.
        let options = FormatVolumeOptions::new()
            .fat_type(fat)
            .total_sectors(sectors)
            .sectors_per_track(63)
            .heads(255)
            .drive_num(0x80)
            .volume_id(0x5e70_b1f0);
        fatfs::format_volume(Cursor::new(volume), options)
    }

    /// One partition over everything from 1 MiB on, not bootable, addressed by sector numbers.
    fn partition_table(&self, image: &mut [u8]) {
        let first = (MIB / SECTOR) as u32;
        let count = (self.size / SECTOR) as u32 - first;
        let kind = if self.fat32 { 0x0c } else { 0x0e };
        // Cylinder, head and sector at their greatest: "use the sector numbers".
        let mut entry = vec![0, 0xfe, 0xff, 0xff, kind, 0xfe, 0xff, 0xff];
        entry.extend(first.to_le_bytes());
        entry.extend(count.to_le_bytes());
        image[0x1be..0x1ce].copy_from_slice(&entry);
        image[0x1fe..0x200].copy_from_slice(&[0x55, 0xaa]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    fn layouts() -> impl Iterator<Item = Layout> {
        [(17, false), (32, false), (64, false), (512, false), (34, true), (64, true)].into_iter().flat_map(
            |(mib, fat32)| {
                [false, true].map(|partition| Layout { size: (mib + usize::from(partition)) * MIB, fat32, partition })
            },
        )
    }

    #[test]
    fn the_file_reads_back_and_is_the_first_and_in_one_piece() {
        let content: Vec<u8> = (0..300_000_u32).map(|n| (n / 512) as u8).collect();
        for layout in layouts() {
            let mut image = layout.image(&content).unwrap();
            let start = if layout.partition { MIB } else { 0 };
            let at = image.windows(content.len()).position(|window| window == content).expect("in one piece");
            assert_eq!(at % SECTOR, 0);
            let volume = FileSystem::new(Cursor::new(&mut image[start..]), FsOptions::new()).unwrap();
            assert_eq!(volume.fat_type() == FatType::Fat32, layout.fat32);
            let names: Vec<String> = volume
                .root_dir()
                .iter()
                .map(|entry| String::from_utf8(entry.unwrap().short_file_name_as_bytes().to_vec()).unwrap())
                .collect();
            assert_eq!(names, [NAME]);
            let mut read = Vec::new();
            volume.root_dir().open_file("setup.bin").unwrap().read_to_end(&mut read).unwrap();
            assert!(read == content);
        }
    }

    #[test]
    fn the_same_file_gives_the_same_image() {
        let layout = Layout { size: 17 * MIB, fat32: false, partition: false };
        assert!(layout.image(b"x").unwrap() == layout.image(b"x").unwrap());
    }

    #[test]
    fn a_file_that_does_not_fit_is_an_error() {
        let layout = Layout { size: 17 * MIB, fat32: false, partition: false };
        assert!(layout.image(&vec![1; 18 * MIB]).is_err());
    }

    #[test]
    fn the_partition_covers_the_rest_of_the_stick() {
        let image = Layout { size: 33 * MIB, fat32: false, partition: true }.image(b"x").unwrap();
        assert_eq!(&image[0x1be..0x1c3], [0, 0xfe, 0xff, 0xff, 0x0e]);
        assert_eq!(&image[0x1c6..0x1ce], [0, 8, 0, 0, 0, 0, 1, 0]);
        assert_eq!(&image[MIB + 0x1c..MIB + 0x20], [0, 8, 0, 0]);
    }
}
