//! Rules of keys.

use kube::core::{Message, Rule};

use super::regions::partition_of;

/// A key is named in one of the four ways that KMS knows.
///
/// The regular expressions are looser than they could be, since the longer they are the more they cost. A key ID, that
/// of a multi-Region key too, is known by its length, which is what a bad paste gets wrong.
pub(in crate::api) fn key_form() -> Rule {
    Rule::new(format!(
        "self.startsWith('alias/') || self.startsWith('arn:') || self.matches(r'^{KEY_ID}$')"
    ))
    .message(
        "kmsKeyID must be an alias, a key ID or the ARN of either: write for example alias/ami, \
         1234abcd-12ab-34cd-56ef-1234567890ab or arn:aws:kms:eu-west-1:111122223333:alias/ami",
    )
}

/// A key of all regions is named by what may be the same in each of them.
pub(in crate::api) fn key_of_all_regions() -> Rule {
    Rule::new(r"self.matches(r'^(alias/[\w/-]+|mrk-[\da-f]{32})$')").message(
        "allRegions.kmsKeyID must be an alias or the ID of a multi-Region key, since any other key ID and every ARN is of one \
         region: write for example alias/ami or mrk-1234abcd12ab34cd56ef1234567890ab",
    )
}

/// What an alias or an ARN ends in has its form.
pub(in crate::api) fn key_path() -> Rule {
    Rule::new(
        r"!(self.startsWith('alias/') || self.startsWith('arn:')) || self.matches(r'(^alias|:\d{12}:(alias|key))/[\w/-]+$')",
    )
    .message(
        "kmsKeyID must end in alias/ or key/ and a name of letters, digits and _/-, in an ARN after the 12 digits of \
         an account: write for example alias/ami or arn:aws:kms:eu-west-1:111122223333:alias/ami",
    )
}

/// The ID in a key's ARN has its form.
pub(in crate::api) fn key_id_in_arn() -> Rule {
    Rule::new(format!("!self.contains(':key/') || self.matches(r':key/{KEY_ID}$')")).message(
        "kmsKeyID must have a whole key ID after key/, as in 1234abcd-12ab-34cd-56ef-1234567890ab: copy it again",
    )
}

/// A pinned key is named by its ARN.
pub(in crate::api) fn key_arn() -> Rule {
    Rule::new(r"self.matches(r'^arn:aws[a-z-]*:kms:[a-z\d-]+:\d{12}:key/[\da-zA-Z-]+$')").message(
        "keyARN must be the ARN of a KMS key: write for example \
         arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
    )
}

const KEY_ID: &str = r"[\w-]{36}";

/// The ARN in `field` is of the region that the field `region` beside it names, and of its partition.
pub(in crate::api) fn key_of_region(field: &str, region: &str) -> Rule {
    let prefix = format!(
        "'arn:' + {} + ':kms:' + self.{region} + ':'",
        partition_of(&format!("self.{region}"))
    );
    Rule::new(format!(
        "!self.{field}.startsWith('arn:') || self.{field}.startsWith({prefix})"
    ))
    .message(Message::Expression(format!(
        "'{field} must be a key of the region that it is given for: write an ARN that begins with ' + {prefix} \
             + ', or an alias as in alias/ami'"
    )))
    .field_path(format!(".{field}"))
}

/// A key that is named by its bare ID exists in one account only, and so cannot be several accounts' default.
pub(in crate::api) fn default_key_for_all() -> Rule {
    Rule::new(
        "!has(self.defaults) || !has(self.defaults.regions) || \
         self.defaults.regions.all(r, r.kmsKeyID.startsWith('arn:') || r.kmsKeyID.startsWith('alias/')) || \
         (!has(self.accountsFrom) && (!has(self.accounts) || \
         size(self.accounts.filter(a, !has(a.allRegions) && (!has(a.regions) || size(a.regions) == 0))) < 2))",
    )
    .message(
        "defaults.regions must not name a key by its bare ID when several accounts take it, since that key is of one \
         account only: write an alias that each account has, or the key's ARN",
    )
    .field_path(".defaults.regions")
}

/// A multi-Region key exists in one account only, too.
pub(in crate::api) fn key_of_all_regions_for_all() -> Rule {
    Rule::new(
        "!has(self.defaults) || !has(self.defaults.allRegions) || \
         !self.defaults.allRegions.kmsKeyID.startsWith('mrk-') || \
         (!has(self.accountsFrom) && (!has(self.accounts) || \
         size(self.accounts.filter(a, !has(a.allRegions) && (!has(a.regions) || size(a.regions) == 0))) < 2))",
    )
    .message(
        "defaults.allRegions must not name a key by its ID when several accounts take it, since that key is of one account \
         only: write an alias that each account has",
    )
    .field_path(".defaults.allRegions")
}
