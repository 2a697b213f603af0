//! The parent folders of the data folder: a user who can write one of them can rename the next.

use std::path::Path;

#[cfg(unix)]
pub(super) fn warn<'a>(folders: impl Iterator<Item = &'a Path>) {
    use std::collections::BTreeSet;
    use std::fs;

    // By the path of the settings, and by the path without symbolic links: both can be changed.
    let mut on_the_way = BTreeSet::new();
    for folder in folders {
        let ways = [std::path::absolute(folder), fs::canonicalize(folder)];
        for way in ways.iter().flatten() {
            let above = way.ancestors().skip(1);
            on_the_way.extend(above.filter_map(|above| fs::canonicalize(above).ok()));
        }
    }
    for folder in on_the_way {
        let Ok(metadata) = fs::metadata(&folder) else { continue };
        if let Some(by) = who_can_rename_in(&metadata) {
            tracing::warn!(
                "{} can be written by {by}, who could rename the folder in it that leads to the data folder or the database, \
                 and put another in its place; remove their permissions (chmod go-w, chown), or give the folder the sticky bit \
                 (chmod +t)",
                folder.display()
            );
        }
    }
}

/// The other users who can rename what is in this folder, in words.
#[cfg(unix)]
fn who_can_rename_in(metadata: &std::fs::Metadata) -> Option<String> {
    use std::os::unix::fs::MetadataExt as _;

    const STICKY: u32 = 0o1000;
    let (mode, user) = (metadata.mode(), rustix::process::geteuid().as_raw());
    // The sticky bit does not limit the owner.
    if metadata.uid() != user && metadata.uid() != 0 {
        return Some(format!("its owner, the user {}", metadata.uid()));
    }
    // Many systems give each user a group of their own with the same number.
    let group = if metadata.gid() == user { 0 } else { 0o020 };
    (mode & STICKY == 0 && mode & (0o002 | group) != 0).then(|| format!("other users (mode {:03o})", mode & 0o777))
}

/// Other systems have no modes.
#[cfg(not(unix))]
pub(super) fn warn<'a>(_folders: impl Iterator<Item = &'a Path>) {}
