//! Class names and class URIs: the URI is both ResourceURI and namespace of a class (`spec/wsman.md` §2.1).

use crate::ns;

/// URI of a class by its name: `AMT_GeneralSettings` gives
/// `http://intel.com/wbem/wscim/1/amt-schema/1/AMT_GeneralSettings`. A prefix other than `AMT_` and `IPS_` is taken for
/// a CIM one.
pub fn class_uri(class: &str) -> String {
    let schema = match class.split_once('_') {
        Some(("AMT", _)) => ns::AMT_SCHEMA,
        Some(("IPS", _)) => ns::IPS_SCHEMA,
        _ => ns::CIM_SCHEMA,
    };
    format!("{schema}{class}")
}

/// Name of the class that `uri` denotes, if it lies in one of the three schemas.
pub fn class_name(uri: &str) -> Option<&str> {
    [ns::AMT_SCHEMA, ns::IPS_SCHEMA, ns::CIM_SCHEMA]
        .iter()
        .find_map(|schema| uri.strip_prefix(schema))
        .filter(|name| !name.is_empty() && !name.contains('/'))
}

/// Class and method of a method's action, with or without the `Response` of a reply:
/// `…/AMT_SetupAndConfigurationService/GetUuidResponse` gives that class and `GetUuid`.
pub fn class_and_method(action: &str) -> Option<(&str, &str)> {
    let (uri, method) = action.rsplit_once('/')?;
    let class = class_name(uri)?;
    let method = method.strip_suffix("Response").unwrap_or(method);
    (!method.is_empty()).then_some((class, method))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_uris_lead_to_each_other() {
        for class in ["AMT_GeneralSettings", "CIM_SoftwareIdentity", "IPS_HostBasedSetupService"] {
            assert_eq!(class_name(&class_uri(class)), Some(class));
        }
        assert!(class_uri("CIM_Chip").starts_with(ns::CIM_SCHEMA));
        assert_eq!(class_name("http://example.com/AMT_X"), None);
        assert_eq!(class_name(ns::AMT_SCHEMA), None);
    }

    #[test]
    fn actions_of_methods_name_class_and_method() {
        let action = format!("{}/GetUuid", class_uri("AMT_SetupAndConfigurationService"));
        let expected = Some(("AMT_SetupAndConfigurationService", "GetUuid"));
        assert_eq!(class_and_method(&action), expected);
        assert_eq!(class_and_method(&format!("{action}Response")), expected);
        assert_eq!(class_and_method("http://schemas.xmlsoap.org/ws/2004/09/transfer/Get"), None);
    }
}
