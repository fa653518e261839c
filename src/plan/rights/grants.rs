//! The statements that a role's rights are made of: what each is for, what fails without it, and why it is as wide as it is.

macro_rules! grants {
    ($($grant:ident $purpose:literal $without:literal $width:literal;)+) => {
        /// A statement, by its name.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Grant {
            $(
                #[doc = $purpose]
                $grant,
            )+
        }

        impl Grant {
            /// All of them, in the order in which policies have them.
            pub const ALL: &'static [Self] = &[$(Self::$grant),+];

            /// Its name in a policy.
            pub const fn sid(self) -> &'static str {
                match self {
                    $(Self::$grant => stringify!($grant),)+
                }
            }

            /// What it is for.
            pub const fn purpose(self) -> &'static str {
                match self {
                    $(Self::$grant => $purpose,)+
                }
            }

            /// What fails without it.
            pub const fn without(self) -> &'static str {
                match self {
                    $(Self::$grant => $without,)+
                }
            }

            /// Why it is no narrower; empty where it is of just what is meant.
            pub const fn width(self) -> &'static str {
                match self {
                    $(Self::$grant => $width,)+
                }
            }
        }
    };
}

grants! {
    LookAtImages
        "Reads images and snapshots."
        "Nothing works: the target says AccessDenied."
        "AWS has no resource-level permissions for these calls.";
    LookAtSharing
        "Reads with whom images are shared, and the UEFI variables of original and copy."
        "No image is called unused, and under mode Enforce no copy is verified or published."
        "";
    LookAtKeys
        "Reads the policy's keys, and those that originals are encrypted under."
        "The keys count as unusable, and no copy is asked for."
        "Only the snapshots of originals tell which keys those are.";
    SeeRegions
        "Reads which regions are enabled in the account, where the policy takes all of them."
        "The account has the regions that the policy lists, and those that were read before: the policy says RegionsKnown with AccessDenied."
        "AWS has no resource-level permissions for this call.";
    SeeWhatLaunches
        "Reads what launches images in EC2, and asks AWS what else names an image."
        "No image is called unused, and nothing is moved to a copy."
        "AWS has no resource-level permissions for these calls.";
    SeeGroups
        "Reads the Auto Scaling groups and launch configurations that launch images."
        "No image is called unused, and nothing is moved to a copy."
        "AWS has no resource-level permissions for these calls.";
    ListParameters
        "Lists the parameters that hold images."
        "No image is called unused, and nothing is moved to a copy."
        "AWS has no resource-level permissions for this call.";
    ReadParameters
        "Reads those parameters and their versions with labels, and what launch templates name by a parameter."
        "No image is called unused, and nothing is moved to a copy."
        "Only the listing tells which parameters these are. A launch template may name one of another account, or a public one of AWS.";
    ListClusters
        "Lists the clusters of EKS."
        "No image is called unused, and nothing is moved to a copy."
        "AWS has no resource-level permissions for this call.";
    SeeNodeGroups
        "Reads the node groups of EKS that launch images."
        "No image is called unused, and nothing is moved to a copy."
        "Only the listing tells which clusters there are.";
    SeeComputeEnvironments
        "Reads the compute environments of AWS Batch that launch images."
        "No image is called unused, and nothing is moved to a copy."
        "AWS has no resource-level permissions for this call.";
    ListRecipes
        "Lists the recipes of EC2 Image Builder, which name the images that they begin with."
        "No image is called unused, and nothing is moved to a copy."
        "AWS has no resource-level permissions for these calls.";
    ReadRecipes
        "Lets AWS look into recipes when it is asked what names an image: ec2:DescribeImageReferences takes it."
        "AWS refuses to say what names an image, and no image is called unused."
        "";
    SeeGuardrails
        "Reads the settings that keep people from launching or sharing images and snapshots."
        "The findings on these settings are unknown, and no guardrail is held: the target says GuardrailsEnforced with Forbidden."
        "AWS has no resource-level permissions for these calls.";
    SeeTheDefaultKey
        "Reads which key is the default one of EBS."
        "Encryption by default is neither held nor reported: the target says GuardrailsEnforced with Forbidden."
        "AWS has no resource-level permissions for this call.";
    SeeKeyRotation
        "Reads whether the keys of images are rotated."
        "The findings on keys are unknown."
        "Only images and snapshots tell which keys those are.";
    SeeWhoMayUseKeys
        "Reads who may use the keys of images."
        "It is unknown whether those who launch an image may use its key, and nothing is moved to a copy."
        "Only images and snapshots tell which keys those are.";
    SeeWhoMayUseTheKey
        "Reads who may use the policy's keys."
        "It is unknown whether those who launch an original may use the key of its copy, and nothing is moved to a copy, here or in other accounts. Nor is the key made the default one of EBS."
        "";
    SeeAllowedImages
        "Reads whether the account's Allowed AMIs let it launch a copy that another account owns."
        "Nothing is moved to copies of other accounts, and the migrations for them are stalled with AccessDenied."
        "AWS has no resource-level permissions for this call.";
    ListTrails
        "Lists the trails of CloudTrail."
        "The finding on CloudTrail is unknown."
        "AWS has no resource-level permissions for this call.";
    SeeTrails
        "Reads whether trails log."
        "The finding on CloudTrail is unknown."
        "A trail of all regions may be of another region, and one of an organization of another account.";
    SeeUsageReports
        "Reads what other accounts use of images, as EC2 reports it."
        "What other accounts use is unknown."
        "AWS has no resource-level permissions for these calls.";
    AskAboutImages
        "Has EC2 report what other accounts use of an image of the account."
        "What other accounts use is unknown."
        "";
    AskForUsageReports
        "Lets these reports be made, each with the policy's name as a tag."
        "What other accounts use is unknown."
        "";
    TagUsageReports
        "Tags the reports as they are made."
        "What other accounts use is unknown."
        "";
    DeleteUsageReports
        "Deletes reports that were made for the policy, to have newer ones."
        "What other accounts use is known as it was when the first report was made, until AWS deletes that."
        "";
    CopyImages
        "Copies images of the account."
        "Every migration is stalled with AccessDenied."
        "AWS does not say for which of original, copy and snapshot it gives each key, so that the conditions hold where a key is given. None tells whether the copy is encrypted.";
    TagCopies
        "Tags copies and their snapshots as they are made."
        "Every migration is stalled with AccessDenied."
        "";
    PublishOnCopies
        "Gives copies what their originals have: launch permissions, description, date of deprecation, IMDSv2 and instance types."
        "Copies are made and verified, and their migrations are stalled with AccessDenied."
        "";
    SealCopies
        "Puts the policy's watermark on verified copies."
        "Copies are made and verified, and their migrations are stalled with AccessDenied."
        "";
    TagPublishedCopies
        "Gives copies the tags of their originals."
        "Copies are made and verified, and their migrations are stalled with AccessDenied."
        "Which tags originals have, no policy says.";
    RemoveFailedCopies
        "Removes what is left of amiseal's own copies that have failed."
        "What is left of failed copies stays and is paid for, and their migrations are stalled with AccessDenied."
        "";
    UseTheKey
        "Lets EC2 encrypt copies under the policy's keys on the role's behalf."
        "Copies fail, and their migrations are stalled once their attempts are used up."
        "";
    LendTheKeyToEC2
        "Lets EC2 go on using the policy's keys for as long as a copy takes."
        "Copies fail, and their migrations are stalled once their attempts are used up."
        "";
    ReadUnderOtherKeys
        "Lets EC2 read originals of which a volume is encrypted already, under another key."
        "Copies of such originals fail. Where there are none, leave it out."
        "Only the snapshots of originals tell which keys those are.";
    LendOtherKeysToEC2
        "Lets EC2 go on using those keys for as long as a copy takes."
        "Copies of such originals fail. Where there are none, leave it out."
        "Only the snapshots of originals tell which keys those are.";
    ProveCopies
        "Reads how far the instances are that copies are proven by."
        "No copy is proven, and nothing is published on any."
        "AWS has no resource-level permissions for these calls.";
    LaunchFromCopies
        "Launches instances from copies."
        "No copy is proven: the migrations say LaunchRefused."
        "";
    LaunchInSubnet
        "Launches them in the policy's subnet, with its security groups."
        "No copy is proven: the migrations say LaunchRefused."
        "";
    LaunchProofs
        "Launches instances of the policy's type that are tagged as proofs."
        "No copy is proven: the migrations say LaunchRefused."
        "";
    LaunchWithVolumes
        "Launches them with volumes and network interfaces that are tagged as proofs."
        "No copy is proven: the migrations say LaunchRefused."
        "";
    TagProofs
        "Tags all of this as it is launched."
        "No copy is proven: the migrations say LaunchRefused."
        "";
    EndProofs
        "Terminates instances that are tagged as proofs."
        "Instances run on and are paid for. Keep it until all of them are terminated, also where the policy asks for none any more."
        "";
    ScanCopies
        "Asks Amazon Inspector for a scan of each copy, follows it, and finds it again."
        "No copy is proven: the migrations say CopyNotScanned or AccessDenied."
        "AWS documents no resources for these calls.";
    MoveTemplates
        "Makes versions of launch templates, and sets which is the default one. Nothing is changed that has the tag amiseal.dev/hold."
        "Launch templates stay on the originals. Keep it for as long as what was moved may have to be put back."
        "Only reading them tells which name an original. AWS knows no condition on the image that a version names.";
    SeeParameterTags
        "Reads the tags of parameters: one that has amiseal.dev/hold is left as it is."
        "Parameters stay on the originals."
        "Only reading them tells which hold an original.";
    MoveParameters
        "Gives parameters that are there a new value."
        "Parameters stay on the originals. Keep it for as long as what was moved may have to be put back."
        "Only reading them tells which hold an original. The Service Authorization Reference has no tags of the parameter for this call, so that no condition keeps it off what has amiseal.dev/hold.";
    MoveLabels
        "Moves the labels of a parameter along with its value."
        "Labels stay on the originals. Keep it for as long as what was moved may have to be put back."
        "Only reading them tells which hold an original.";
    SeeRefreshes
        "Reads the instance refreshes of Auto Scaling groups."
        "Instances are not replaced, and their groups stay on the originals."
        "AWS has no resource-level permissions for this call.";
    SetGroups
        "Sets what Auto Scaling groups launch. Nothing is changed that has the tag amiseal.dev/hold."
        "Groups that pin a version or an image stay on the originals. Keep it for as long as what was moved may have to be put back."
        "Only reading them tells which name an original. autoscaling:ImageId would bound the images, and no policy knows the IDs of copies.";
    RefreshGroups
        "Has the instances of Auto Scaling groups replaced, and that turned back. Nothing is changed that has the tag amiseal.dev/hold."
        "Instances run the originals on. Keep it for as long as what was moved may have to be put back."
        "Only reading them tells which name an original. autoscaling:ImageId would bound the images, and no policy knows the IDs of copies.";
    NoteOnGroups
        "Notes on a group what it launched before, as the tag amiseal.dev/previous and no other."
        "Groups stay on the originals."
        "Only reading them tells which name an original.";
    LaunchByTemplates
        "Lets a group be set to one of these launch templates: AWS asks whether whoever does that could launch from it."
        "AWS refuses to set groups to a launch template."
        "AWS asks about all that the launch template names.";
    PassInstanceRoles
        "Lets the instances of a group have the roles that its launch template names."
        "AWS refuses to set groups to a launch template that names a role."
        "";
    ReadTheMap
        "Lists the parameters that the map is kept in, and reads by their tags which are the policy's."
        "The map is not kept: the target says MapPublished with AccessDenied. Where you change the prefix or remove it, keep this until amiseal has deleted what is under it."
        "";
    AddToTheMap
        "Makes these parameters, each with the policy's name and its original as tags."
        "No copy gets a parameter: the target says MapPublished with AccessDenied."
        "The Service Authorization Reference has no condition by which tags are given only to what is being made.";
    SetTheMap
        "Gives them another value where an original gets another copy."
        "Parameters name former copies: the target says MapPublished with AccessDenied."
        "The Service Authorization Reference has no tags of the parameter for this call: amiseal reads them just before.";
    RemoveFromTheMap
        "Deletes those that have the policy's tags."
        "Parameters stay for copies that are held or put back: the target says MapPublished with AccessDenied. Where you change the prefix or remove it, keep this until amiseal has deleted what is under it."
        "";
    HoldGuardrails
        "Turns on the settings of the region that the policy has held, and makes its key the default one of EBS."
        "They stay as they are: the target says GuardrailsEnforced with Forbidden."
        "AWS has no resource-level permissions for these calls, and no condition on what is set.";
    AssumeRoles
        "Lets the controller assume the role in each account, and name the policy for CloudTrail."
        "Nothing works: the targets say RoleNotAssumable."
        "";
    ListAccounts
        "Lists the accounts that a policy with accountsFrom takes: by the controller's own role, or by the one that accountsFrom.roleARN names."
        "No account comes from there, and those that did stay: the policy says AccountsKnown with AccessDenied."
        "AWS has no resource-level permissions for ListAccounts, and the IDs of units below those that are named are not known.";
    ReadEvents
        "Lets the controller read the queue of events, and delete what it has read."
        "Changes are seen by the next scan, and not within seconds: the alert AmisealEventQueueUnreadable fires."
        "";
}
