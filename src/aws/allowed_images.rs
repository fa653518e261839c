//! Which images of others a region lets its account launch: read, and in the form that sets it.

use aws_sdk_ec2::types as sdk;

use super::session::Session;
use crate::domain::{AllowedImages, AllowedState, AwsError, ImageCriterion, Operation, ScanFilter, WatermarkFilter};

const OPERATION: Operation = Operation::GetAllowedImagesSettings;

impl Session {
    /// Reads the settings of Allowed AMIs.
    pub async fn allowed_images(&self) -> Result<AllowedImages, AwsError> {
        let request = self.ec2().get_allowed_images_settings();
        let answer = self.call(OPERATION, request.send()).await?;
        let state = match answer.state() {
            Some(state) if !state.is_empty() => AllowedState::named(state),
            _ => return Err(AwsError::malformed(OPERATION, &"no state in the answer")),
        };
        Ok(AllowedImages {
            state,
            criteria: criteria(answer.image_criteria()),
        })
    }
}

/// Criteria as AWS shows them.
pub(super) fn criteria(of: &[sdk::ImageCriterion]) -> Vec<ImageCriterion> {
    of.iter().map(criterion).collect()
}

fn criterion(of: &sdk::ImageCriterion) -> ImageCriterion {
    let texts = |of: &[String]| of.iter().map(|text| text.as_str().into()).collect();
    ImageCriterion {
        providers: texts(of.image_providers()),
        names: texts(of.image_names()),
        product_codes: texts(of.marketplace_product_codes()),
        max_days_since_deprecated: of
            .deprecation_time_condition()
            .and_then(sdk::DeprecationTimeCondition::maximum_days_since_deprecated),
        max_days_since_created: of
            .creation_date_condition()
            .and_then(sdk::CreationDateCondition::maximum_days_since_created),
        watermarks: of.image_watermarks().iter().map(watermark).collect(),
        scan: of.scan_result_condition().map(scan),
    }
}

fn watermark(of: &sdk::ImageWatermarkFilterResponse) -> WatermarkFilter {
    WatermarkFilter {
        key: of.watermark_key().map(Into::into),
        region: of.source_image_region().map(Into::into),
        max_days_since_image_created: of.maximum_days_since_source_image_created(),
        max_days_since_created: of.maximum_days_since_watermark_created(),
    }
}

fn scan(of: &sdk::ScanResultCondition) -> ScanFilter {
    ScanFilter {
        max_severity: of.maximum_severity_label().map(|severity| severity.as_str().into()),
        max_days_since_scan: of.max_days_since_last_finding_scan(),
        max_days_since_fix: [
            of.max_days_since_informational_fix_available(),
            of.max_days_since_low_fix_available(),
            of.max_days_since_medium_fix_available(),
            of.max_days_since_high_fix_available(),
            of.max_days_since_critical_fix_available(),
        ],
    }
}

/// A criterion as AWS is asked for it.
pub(super) fn requested(of: &ImageCriterion) -> sdk::ImageCriterionRequest {
    let texts = |of: &[Box<str>]| -> Option<Vec<String>> {
        (!of.is_empty()).then(|| of.iter().map(|text| text.to_string()).collect())
    };
    let deprecated = of.max_days_since_deprecated.map(|days| {
        let condition = sdk::DeprecationTimeConditionRequest::builder();
        condition.maximum_days_since_deprecated(days).build()
    });
    let created = of.max_days_since_created.map(|days| {
        let condition = sdk::CreationDateConditionRequest::builder();
        condition.maximum_days_since_created(days).build()
    });
    let watermarks: Vec<_> = of.watermarks.iter().map(requested_watermark).collect();
    sdk::ImageCriterionRequest::builder()
        .set_image_providers(texts(&of.providers))
        .set_image_names(texts(&of.names))
        .set_marketplace_product_codes(texts(&of.product_codes))
        .set_deprecation_time_condition(deprecated)
        .set_creation_date_condition(created)
        .set_image_watermarks((!watermarks.is_empty()).then_some(watermarks))
        .set_scan_result_condition(of.scan.as_ref().map(requested_scan))
        .build()
}

fn requested_watermark(of: &WatermarkFilter) -> sdk::ImageWatermarkFilterRequest {
    sdk::ImageWatermarkFilterRequest::builder()
        .set_watermark_key(of.key.as_deref().map(str::to_owned))
        .set_source_image_region(of.region.as_deref().map(str::to_owned))
        .set_maximum_days_since_source_image_created(of.max_days_since_image_created)
        .set_maximum_days_since_watermark_created(of.max_days_since_created)
        .build()
}

fn requested_scan(of: &ScanFilter) -> sdk::ScanResultConditionRequest {
    let [informational, low, medium, high, critical] = of.max_days_since_fix;
    sdk::ScanResultConditionRequest::builder()
        .set_maximum_severity_label(of.max_severity.as_deref().map(sdk::SeverityLabel::from))
        .set_max_days_since_last_finding_scan(of.max_days_since_scan)
        .set_max_days_since_informational_fix_available(informational)
        .set_max_days_since_low_fix_available(low)
        .set_max_days_since_medium_fix_available(medium)
        .set_max_days_since_high_fix_available(high)
        .set_max_days_since_critical_fix_available(critical)
        .build()
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
            product_codes: vec!["abc".into()],
            max_days_since_deprecated: Some(0),
            max_days_since_created: Some(30),
            watermarks: vec![WatermarkFilter {
                key: Some("111122223333:ok".into()),
                ..WatermarkFilter::default()
            }],
            scan: Some(ScanFilter {
                max_severity: Some("high".into()),
                ..ScanFilter::default()
            }),
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
