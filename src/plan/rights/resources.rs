//! What each statement is on, and under which conditions. What the Service Authorization Reference does not have of an action is not
//! asked for: AWS would take such a condition for one that never holds.

use super::Options;
use super::asked::Asked;
use super::grants::Grant;
use super::keys::{self, PolicyKey};
use super::operations::{besides, operations};
use super::site::Site;
use super::statement::{Statement, Texts};
use super::wanted::is_operation_wanted;
use crate::api::labels::{TAG_HOLD, TAG_POLICY, TAG_PREVIOUS, TAG_SOURCE_IMAGE, TAG_VALIDATES};

/// What the value of a tag looks like that names an image.
const IMAGE: &str = "ami-*";
/// What a parameter of the map is called after the prefix.
const OF_IMAGE: &str = "/ami-*";
const OWNER: &str = "ec2:Owner";
const REGION: &str = "aws:RequestedRegion";
const VIA: &str = "kms:ViaService";

/// The statement, or as many as it takes for the policy's keys; none where they take none.
pub(super) fn statements(grant: Grant, asked: &Asked<'_>) -> Vec<Statement> {
    let statement = Statement::allow(grant.sid(), actions_for(grant, asked), resources(grant, asked));
    let statement = under_conditions(grant, statement, asked);
    match grant {
        Grant::UseTheKey | Grant::LendTheKeyToEC2 => {
            keys::on(&of(asked, |key| !key.is_aws_managed()), &asked.site, &statement)
        }
        // KMS shows it in the account that owns the key only.
        Grant::SeeWhoMayUseTheKey => keys::on(&of(asked, |key| key.is_of(&asked.site)), &asked.site, &statement),
        _ => vec![statement],
    }
}

/// What a statement allows.
pub(super) fn actions(grant: Grant) -> Texts {
    let own = operations(grant).map(|operation| operation.action());
    own.chain(besides(grant).iter().copied()).collect()
}

/// What a statement allows for a policy: without what that does not ask for.
fn actions_for(grant: Grant, asked: &Asked<'_>) -> Texts {
    let own = operations(grant).filter(|operation| is_operation_wanted(grant, *operation, asked));
    let own = own.map(|operation| operation.action());
    own.chain(besides(grant).iter().copied()).collect()
}

fn of<'a>(asked: &'a Asked<'_>, is_meant: impl Fn(&PolicyKey) -> bool) -> Vec<&'a PolicyKey> {
    asked.keys.iter().filter(|key| is_meant(key)).collect()
}

fn resources(grant: Grant, asked: &Asked<'_>) -> Texts {
    let site = &asked.site;
    // Images and snapshots are of no account in their ARNs.
    let images = || site.arn("ec2", "", "image/*");
    match grant {
        Grant::LookAtSharing
        | Grant::AskAboutImages
        | Grant::PublishOnCopies
        | Grant::SealCopies
        | Grant::TagPublishedCopies
        | Grant::LaunchFromCopies => Texts::one(images()),
        Grant::CopyImages | Grant::TagCopies | Grant::RemoveFailedCopies => {
            Texts(vec![images(), site.arn("ec2", "", "snapshot/*")])
        }
        Grant::LookAtKeys | Grant::SeeKeyRotation | Grant::ReadUnderOtherKeys | Grant::LendOtherKeysToEC2 => {
            Texts::one(site.arn("kms", "*", "key/*"))
        }
        Grant::SeeWhoMayUseKeys => Texts::one(site.own("kms", "key/*")),
        Grant::ReadParameters => Texts::one(site.arn("ssm", "*", "parameter/*")),
        Grant::SeeParameterTags | Grant::MoveParameters | Grant::MoveLabels => own(site, "ssm", &["parameter/*"]),
        Grant::SeeNodeGroups => own(site, "eks", &["cluster/*", "nodegroup/*"]),
        Grant::ReadRecipes => own(site, "imagebuilder", &["image-recipe/*", "container-recipe/*"]),
        Grant::SeeTrails => Texts::one(site.arn_in("cloudtrail", "*", "*", "trail/*")),
        Grant::AskForUsageReports | Grant::TagUsageReports | Grant::DeleteUsageReports => {
            own(site, "ec2", &["image-usage-report/*"])
        }
        Grant::LaunchInSubnet => network(asked),
        Grant::LaunchProofs | Grant::EndProofs => own(site, "ec2", &["instance/*"]),
        Grant::LaunchWithVolumes => own(site, "ec2", &["volume/*", "network-interface/*"]),
        Grant::TagProofs => own(site, "ec2", &["instance/*", "volume/*", "network-interface/*"]),
        Grant::MoveTemplates => own(site, "ec2", &["launch-template/*"]),
        Grant::SetGroups | Grant::RefreshGroups | Grant::NoteOnGroups => {
            own(site, "autoscaling", &["autoScalingGroup:*:autoScalingGroupName/*"])
        }
        Grant::PassInstanceRoles => asked.options.instance_roles.iter().cloned().collect(),
        // AWS asks whether what is above them may be listed.
        Grant::ReadTheMap => under_prefix(asked, &["", OF_IMAGE]),
        Grant::AddToTheMap | Grant::SetTheMap | Grant::RemoveFromTheMap => under_prefix(asked, &[OF_IMAGE]),
        // Of the policy's keys each has its ARN.
        Grant::UseTheKey | Grant::LendTheKeyToEC2 | Grant::SeeWhoMayUseTheKey => Texts::default(),
        // That is no account's.
        Grant::ReadEvents => Texts::default(),
        Grant::LookAtImages
        | Grant::SeeRegions
        | Grant::SeeWhatLaunches
        | Grant::SeeGroups
        | Grant::ListParameters
        | Grant::ListClusters
        | Grant::SeeComputeEnvironments
        | Grant::ListRecipes
        | Grant::SeeGuardrails
        | Grant::SeeTheDefaultKey
        | Grant::SeeAllowedImages
        | Grant::ListTrails
        | Grant::SeeUsageReports
        | Grant::ProveCopies
        | Grant::ScanCopies
        | Grant::SeeRefreshes
        | Grant::LaunchByTemplates
        | Grant::HoldGuardrails
        | Grant::AssumeRoles
        | Grant::ListAccounts => Texts::one("*"),
    }
}

/// Resources of the account.
fn own(site: &Site, service: &str, resources: &[&str]) -> Texts {
    resources.iter().map(|resource| site.own(service, resource)).collect()
}

/// The parameters that the map is kept in, by what follows the prefix.
fn under_prefix(asked: &Asked<'_>, ends: &[&str]) -> Texts {
    let prefix = asked.prefix().unwrap_or_default();
    let names = ends.iter().map(|end| format!("parameter{prefix}{end}"));
    names.map(|name| asked.site.own("ssm", &name)).collect()
}

/// The subnet and the security groups of proofs. Another account may share them, and then its ID is in their ARNs. Without a group of
/// the policy's own it is the default one of the subnet's VPC, of which nobody knows the ID here.
fn network(asked: &Asked<'_>) -> Texts {
    let site = &asked.site;
    let Some(launch) = asked.launches() else {
        return Texts::default();
    };
    let shared = |resource: String| site.arn("ec2", "*", &resource);
    let subnet = shared(format!("subnet/{}", launch.subnet_id));
    let groups = launch.security_group_ids.iter();
    let mut groups: Vec<String> = groups.map(|id| shared(format!("security-group/{id}"))).collect();
    if groups.is_empty() {
        groups.push(site.own("ec2", "security-group/*"));
    }
    [subnet].into_iter().chain(groups).collect()
}

fn under_conditions(grant: Grant, statement: Statement, asked: &Asked<'_>) -> Statement {
    let site = &asked.site;
    let statement = in_regions(grant, statement, site);
    match grant {
        Grant::LookAtSharing | Grant::AskAboutImages => statement.when("StringEquals", OWNER, site.account()),
        // AWS does not say for which of original, copy and snapshot it gives each of the two keys.
        Grant::CopyImages => statement.when("StringEqualsIfExists", OWNER, site.account()).when(
            "StringLikeIfExists",
            &given(TAG_SOURCE_IMAGE),
            Texts::one(IMAGE),
        ),
        Grant::TagCopies => created_by("CopyImage", names_image(&given(TAG_SOURCE_IMAGE), statement)),
        Grant::PublishOnCopies | Grant::SealCopies | Grant::TagPublishedCopies | Grant::LaunchFromCopies => {
            of_copies(asked.options, statement, site)
        }
        Grant::RemoveFailedCopies => names_image(&there(TAG_SOURCE_IMAGE), statement),
        Grant::UseTheKey | Grant::ReadUnderOtherKeys => via_ec2(statement, site),
        Grant::LendTheKeyToEC2 | Grant::LendOtherKeysToEC2 => {
            via_ec2(statement, site).when("Bool", "kms:GrantIsForAWSResource", Texts::one("true"))
        }
        Grant::LaunchProofs => {
            let types = asked.launches().map(|launch| launch.instance_type.clone());
            let of_type = statement.when("StringEquals", "ec2:InstanceType", types.into_iter().collect());
            names_image(&given(TAG_VALIDATES), of_type)
        }
        Grant::LaunchWithVolumes => names_image(&given(TAG_VALIDATES), statement),
        Grant::TagProofs => created_by("RunInstances", names_image(&given(TAG_VALIDATES), statement)),
        Grant::EndProofs => names_image(&there(TAG_VALIDATES), statement),
        _ => under_others(grant, statement, asked),
    }
}

/// The conditions of reports, of what is moved, and of the map.
fn under_others(grant: Grant, statement: Statement, asked: &Asked<'_>) -> Statement {
    let policy = || Texts::one(asked.spec.policy.as_str());
    match grant {
        Grant::AskForUsageReports => statement.when("StringEquals", &given(TAG_POLICY), policy()),
        Grant::TagUsageReports => {
            let tagged = statement.when("StringEquals", &given(TAG_POLICY), policy());
            created_by("CreateImageUsageReport", tagged)
        }
        Grant::DeleteUsageReports => statement.when("StringEquals", &there(TAG_POLICY), policy()),
        Grant::MoveTemplates | Grant::MoveLabels | Grant::SetGroups | Grant::RefreshGroups => {
            statement.when("Null", &there(TAG_HOLD), Texts::one("true"))
        }
        Grant::MoveParameters | Grant::SetTheMap => statement.when("StringEquals", "ssm:Overwrite", Texts::one("true")),
        Grant::AddToTheMap => of_map(given, statement, policy()),
        Grant::RemoveFromTheMap => of_map(there, statement, policy()),
        // Where no tag is given at all, the first one holds.
        Grant::NoteOnGroups => statement
            .when("ForAllValues:StringEquals", "aws:TagKeys", Texts::one(TAG_PREVIOUS))
            .when("Null", &given(TAG_PREVIOUS), Texts::one("false")),
        Grant::LaunchByTemplates => {
            let templates = asked.options.launch_templates.iter();
            let arns = templates.map(|id| asked.site.own("ec2", &format!("launch-template/{id}")));
            statement.when("ArnLike", "ec2:LaunchTemplate", arns.collect())
        }
        Grant::PassInstanceRoles => {
            let names = asked.site.ec2.iter().copied().collect();
            statement.when("StringEquals", "iam:PassedToService", names)
        }
        _ => statement,
    }
}

/// A tag that the call gives.
fn given(tag: &str) -> String {
    format!("aws:RequestTag/{tag}")
}

/// A tag that the resource has.
fn there(tag: &str) -> String {
    format!("aws:ResourceTag/{tag}")
}

/// The policy's name and an original, as the tags of a parameter of the map have them.
fn of_map(tagged: fn(&str) -> String, statement: Statement, policy: Texts) -> Statement {
    let of_policy = statement.when("StringEquals", &tagged(TAG_POLICY), policy);
    names_image(&tagged(TAG_SOURCE_IMAGE), of_policy)
}

fn names_image(key: &str, statement: Statement) -> Statement {
    statement.when("StringLike", key, Texts::one(IMAGE))
}

/// The condition on the region, where the ARNs do not name just one: AWS gives this key in every request. What comes by way of EC2
/// names the region by that, and IAM is of no region. Which regions there are is asked in one that may itself be left out.
fn in_regions(grant: Grant, statement: Statement, site: &Site) -> Statement {
    let via = matches!(
        grant,
        Grant::UseTheKey | Grant::LendTheKeyToEC2 | Grant::ReadUnderOtherKeys | Grant::LendOtherKeysToEC2
    );
    let is_said =
        site.regions.len() == 1 && !site.is_everywhere && grant != Grant::SeeTrails && !statement.resource.has("*");
    if is_said || via && site.names_ec2 || matches!(grant, Grant::PassInstanceRoles | Grant::SeeRegions) {
        return statement;
    }
    // Where all regions are taken, those that are enabled later are meant too, and only those that are left out are named.
    if site.is_everywhere {
        return match site.except.is_empty() {
            true => statement,
            false => statement.when("StringNotEquals", REGION, site.except.iter().cloned().collect()),
        };
    }
    statement.when("StringEquals", REGION, site.regions.iter().cloned().collect())
}

/// Only by way of EC2, in these regions, as AWS's own key for EBS has it in its policy.
fn via_ec2(statement: Statement, site: &Site) -> Statement {
    if !site.names_ec2 {
        return statement;
    }
    let ec2 = |region: &String| format!("ec2.{region}.amazonaws.com");
    if site.is_everywhere {
        let anywhere = statement.when("StringLike", VIA, Texts::one("ec2.*.amazonaws.com"));
        return match site.except.is_empty() {
            true => anywhere,
            false => anywhere.when("StringNotEquals", VIA, site.except.iter().map(ec2).collect()),
        };
    }
    statement.when("StringEquals", VIA, site.regions.iter().map(ec2).collect())
}

/// Only while EC2 makes what is tagged.
fn created_by(call: &str, statement: Statement) -> Statement {
    statement.when("StringEquals", "ec2:CreateAction", Texts::one(call))
}

/// Only on copies, by the tag that amiseal has them made with. One that somebody else has made may lack it.
fn of_copies(options: &Options, statement: Statement, site: &Site) -> Statement {
    if options.copies_of_others {
        return statement.when("StringEquals", OWNER, site.account());
    }
    names_image(&there(TAG_SOURCE_IMAGE), statement)
}
