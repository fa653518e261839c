//! What is to be said beside rights.

use super::organizations::LISTED;
use super::{AccountRights, Grant, LIMIT, Options, Part, Rights, trust};

/// So many managed policies AWS attaches to a role, unless a quota has been raised.
const ATTACHED: usize = 10;

/// What whoever attaches what is printed has to know, in sentences: `text`, which is of all rights or only of a part.
pub fn notes(rights: &Rights, options: &Options, only: Option<Part>, text: &str) -> Vec<String> {
    let accounts = &rights.accounts;
    let is_printed = |part: Part| only.is_none_or(|only| only == part);
    let mut notes = Vec::new();
    if is_printed(Part::Permissions) {
        notes.extend(accounts.iter().filter_map(divided));
    }
    let is_of_accounts = only != Some(Part::Controller) && !options.is_template;
    if is_of_accounts && accounts.iter().any(|account| account.account_id == LISTED) {
        notes.push(
            "The rights in the account * are those in each account that AWS Organizations lists. Name one with --account to have what \
             the policy of its key says."
                .to_owned(),
        );
    }
    if accounts.iter().any(|account| account.is_partition_assumed) {
        notes.push(
            "Nothing tells which partition of AWS the accounts are in that have allRegions and list no region: their rights are those in \
             aws. Elsewhere name the controller's own role with --controller, or set the accounts' roleARN or a region in \
             defaults.regions."
                .to_owned(),
        );
    }
    let has_none = |account: &&AccountRights| account.role.is_none() && is_printed(Part::Permissions);
    for account in accounts.iter().filter(has_none) {
        notes.push(format!(
            "The policy names no role in {}: attach its rights to the controller's own role.",
            account.account_id
        ));
    }
    if text.contains(trust::CONTROLLER) {
        notes.push(
            "Name the controller's own role with --controller, or put it in the place of CONTROLLER_ROLE.".to_owned(),
        );
    }
    if text.contains(trust::PROVIDER) {
        notes.push(
            "Name the cluster's OpenID Connect provider with --oidc-provider, or put it in the place of OIDC_PROVIDER."
                .to_owned(),
        );
    }
    let uses_keys = |account: &AccountRights| account.rights.iter().any(|right| right.grant == Grant::UseTheKey);
    // A template has nothing of keys.
    let is_of_keys = is_printed(Part::Key) && !options.is_template;
    if is_of_keys && options.launchers.is_empty() && accounts.iter().any(uses_keys) {
        notes.push(
            "Whoever launches from copies has to be allowed to use the key too, such as the role of Auto Scaling and the accounts \
             that images are shared with: name them with --launcher."
                .to_owned(),
        );
    }
    let lacks_templates = options.launch_templates.is_empty() && is_printed(Part::Permissions);
    if lacks_templates && accounts.iter().any(|account| account.moves_groups) {
        notes.push(
            "AWS sets an Auto Scaling group to a launch template only for who may launch from it: name the templates of your groups \
             with --launch-template, and the roles that they name with --instance-role."
                .to_owned(),
        );
    }
    notes
}

/// That the rights of an account take more than one policy.
fn divided(account: &AccountRights) -> Option<String> {
    let count = account.policies().len();
    if count < 2 {
        return None;
    }
    let mut note = format!(
        "The rights in {} take {count} managed policies, as AWS takes no more than {LIMIT} characters in one.",
        account.account_id
    );
    if count > ATTACHED {
        note += &format!(" A role has {ATTACHED} at most, unless you have AWS raise the quota.");
    }
    Some(note)
}
