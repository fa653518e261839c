//! Reading which images of others a region lets its account launch.

use aws_sdk_ec2::types as sdk;

use super::session::Session;
use crate::domain::{AllowedImages, AllowedState, AwsError, ImageCriterion, Operation, WatermarkFilter};

const OPERATION: Operation = Operation::GetAllowedImagesSettings;

impl Session {
    /// Reads the settings of Allowed AMIs.
    pub async fn allowed_images(&self) -> Result<AllowedImages, AwsError> {
        let request = self.ec2().get_allowed_images_settings();
        let answer = self.call(OPERATION, request.send()).await?;
        let state = match answer.state() {
            Some("disabled") => AllowedState::Disabled,
            Some("audit-mode") => AllowedState::AuditMode,
            Some("enabled") => AllowedState::Enabled,
            Some(other) if !other.is_empty() => AllowedState::Other(other.into()),
            _ => return Err(AwsError::malformed(OPERATION, &"no state in the answer")),
        };
        Ok(AllowedImages {
            state,
            criteria: answer.image_criteria().iter().map(criterion).collect(),
        })
    }
}

fn criterion(of: &sdk::ImageCriterion) -> ImageCriterion {
    let texts = |of: &[String]| of.iter().map(|text| text.as_str().into()).collect();
    ImageCriterion {
        providers: texts(of.image_providers()),
        names: texts(of.image_names()),
        product_codes: !of.marketplace_product_codes().is_empty(),
        max_days_since_deprecated: of
            .deprecation_time_condition()
            .and_then(sdk::DeprecationTimeCondition::maximum_days_since_deprecated),
        max_days_since_created: of
            .creation_date_condition()
            .and_then(sdk::CreationDateCondition::maximum_days_since_created),
        watermarks: of.image_watermarks().iter().map(watermark).collect(),
        scan: of.scan_result_condition().is_some(),
    }
}

fn watermark(of: &sdk::ImageWatermarkFilterResponse) -> WatermarkFilter {
    WatermarkFilter {
        key: of.watermark_key().map(Into::into),
        narrower: of.source_image_region().is_some()
            || of.maximum_days_since_source_image_created().is_some()
            || of.maximum_days_since_watermark_created().is_some(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Access;
    use super::super::testing::{Answer, Wire, bench, open, own};
    use super::*;
    use crate::domain::ErrorClass;

    #[tokio::test]
    async fn every_part_of_a_criterion_is_read_and_an_answer_without_a_state_is_none() {
        let wire = Wire::new(|_| {
            Answer::ok(
                "<GetAllowedImagesSettingsResponse><state>enabled</state><imageCriterionSet><item>\
                 <imageProviderSet><item>amazon</item></imageProviderSet><imageNameSet><item>golden-*</item></imageNameSet>\
                 <marketplaceProductCodeSet><item>abc</item></marketplaceProductCodeSet>\
                 <deprecationTimeCondition><maximumDaysSinceDeprecated>0</maximumDaysSinceDeprecated></deprecationTimeCondition>\
                 <creationDateCondition><maximumDaysSinceCreated>30</maximumDaysSinceCreated></creationDateCondition>\
                 <imageWatermarkSet><item><watermarkKey>111122223333:ok</watermarkKey></item></imageWatermarkSet>\
                 <scanResultCondition><maximumSeverityLabel>high</maximumSeverityLabel></scanResultCondition>\
                 </item></imageCriterionSet></GetAllowedImagesSettingsResponse>",
            )
        });
        let bench = bench(&wire, open()).await;
        let session = bench.aws.session(&own(Access::ReadOnly));
        let settings = session.allowed_images().await.expect("settings");
        assert_eq!(settings.state, AllowedState::Enabled);
        let expected = ImageCriterion {
            providers: vec!["amazon".into()],
            names: vec!["golden-*".into()],
            product_codes: true,
            max_days_since_deprecated: Some(0),
            max_days_since_created: Some(30),
            watermarks: vec![WatermarkFilter {
                key: Some("111122223333:ok".into()),
                narrower: false,
            }],
            scan: true,
        };
        assert_eq!(settings.criteria, [expected]);
    }

    #[tokio::test]
    async fn settings_without_a_state_could_not_be_read() {
        let wire = Wire::new(|_| Answer::ok("<GetAllowedImagesSettingsResponse/>"));
        let bench = bench(&wire, open()).await;
        let session = bench.aws.session(&own(Access::ReadOnly));
        let settings = session.allowed_images().await;
        assert_eq!(settings.map_err(|error| error.class), Err(ErrorClass::Invalid));
    }
}
