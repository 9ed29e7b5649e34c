//! `kalends redact`: files of calendar data, made fit to be shown to strangers.

use std::{
    fs::{self, OpenOptions},
    io::{Read, Write, stdin, stdout},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use crate::ical::redact::Redaction;

/// Writes what is left of each file beside it, and says where; `-` is from standard input to standard output. All of them
/// share what stands for what, and nothing is written over.
pub fn redact(files: &[PathBuf]) -> Result<()> {
    let mut redaction = Redaction::default();
    for file in files {
        if file == Path::new("-") {
            let mut octets = Vec::new();
            stdin().read_to_end(&mut octets).context("standard input cannot be read")?;
            stdout().write_all(&redaction.redact(&octets)).context("standard output takes nothing")?;
            continue;
        }
        let octets = fs::read(file).with_context(|| format!("{} cannot be read", file.display()))?;
        let to = beside(file);
        let made = OpenOptions::new().write(true).create_new(true).open(&to);
        let mut made = made.with_context(|| format!("{} cannot be made", to.display()))?;
        made.write_all(&redaction.redact(&octets))
            .with_context(|| format!("{} cannot be written", to.display()))?;
        println!("{}", to.display());
    }
    Ok(())
}

/// `event.ics` becomes `event.redacted.ics`.
fn beside(file: &Path) -> PathBuf {
    let ending = file.extension().map_or_else(String::new, |ending| format!(".{}", ending.to_string_lossy()));
    file.with_extension(format!("redacted{ending}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_made_beside_the_others_and_never_over_them() {
        assert_eq!(beside(Path::new("a/b.c.ics")), Path::new("a/b.c.redacted.ics"));
        assert_eq!(beside(Path::new("b")), Path::new("b.redacted"));
        let dir = std::env::temp_dir().join(format!("kalends-redact-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let files = ["a.ics", "b.ics"].map(|name| dir.join(name));
        for file in &files {
            fs::write(file, "UID:somebody@example.org\r\nDTSTART:20260101T000000Z\r\n").unwrap();
        }
        redact(&files).unwrap();
        let made = files.each_ref().map(|file| fs::read_to_string(beside(file)).unwrap());
        assert!(made[0] == made[1] && made[0].ends_with("DTSTART:20260101T000000Z\r\n"), "{made:?}");
        assert!(!made[0].contains("somebody") && !made[0].contains("example"));
        let again = redact(&files[..1]).unwrap_err();
        assert!(format!("{again:#}").contains("a.redacted.ics cannot be made"), "{again:#}");
        assert!(redact(&[dir.join("none.ics")]).is_err());
        fs::remove_dir_all(&dir).unwrap();
    }
}
