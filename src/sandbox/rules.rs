//! The second wall: Landlock. Should the root ever show more than it should, only this may be done there.

use std::error::Error;

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible as _, PathBeneath, PathFd, Ruleset,
    RulesetAttr as _, RulesetCreatedAttr as _, RulesetStatus, Scope,
};

use super::FOLDER;

/// Devices that may be written.
const WRITABLE: [&str; 3] = ["/dev/null", "/dev/zero", "/dev/full"];

/// Restricts this process and all that it starts.
pub fn restrict(network: bool) -> Result<(), String> {
    let status = ruleset(network).map_err(|error| format!("the kernel has no Landlock for files: {error}"))?;
    match status {
        RulesetStatus::NotEnforced => Err("the kernel has no Landlock".to_owned()),
        RulesetStatus::FullyEnforced | RulesetStatus::PartiallyEnforced => Ok(()),
    }
}

fn ruleset(network: bool) -> Result<RulesetStatus, Box<dyn Error>> {
    // Files are a must; a kernel that knows more closes more.
    let mut rules = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(ABI::V3))?
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(ABI::V5))?
        .scope(Scope::from_all(ABI::V6))?;
    if !network {
        rules = rules.handle_access(AccessNet::from_all(ABI::V4))?;
    }
    let read = AccessFs::from_read(ABI::V5);
    let special = AccessFs::MakeChar | AccessFs::MakeBlock | AccessFs::IoctlDev;
    let write: BitFlags<AccessFs> = AccessFs::from_all(ABI::V5) & !special;
    let mut rules = rules.create()?.add_rule(beneath("/", read)?)?;
    for folder in [FOLDER, "/tmp"] {
        rules = rules.add_rule(beneath(folder, write)?)?;
    }
    for device in WRITABLE {
        rules = rules.add_rule(beneath(device, AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::Truncate)?)?;
    }
    Ok(rules.restrict_self()?.ruleset)
}

fn beneath(path: &str, access: BitFlags<AccessFs>) -> Result<PathBeneath<PathFd>, Box<dyn Error>> {
    Ok(PathBeneath::new(PathFd::new(path)?, access))
}
