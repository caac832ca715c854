//! `AMT_MPSUsernamePassword` (`spec/wsman.md` §3.10).

use super::super::Class;
use crate::class::class;
use crate::instance::Instance;
use crate::op::Request;
use amt_core::Secret;

class! {
    /// Login at one management presence server. The password is never told.
    MpsUsernamePassword = "AMT_MPSUsernamePassword" {
        /// Which one; the number at its end is the server's.
        instance_id: String = "InstanceID",
        /// User.
        remote_id: Option<String> = "RemoteID",
    }
}

impl MpsUsernamePassword {
    /// Replaces user and password, 1 to 16 characters each. The answer has no body.
    pub fn put(&self, username: &str, password: &Secret<String>) -> Request {
        let mut instance = Instance::new(Self::NAME);
        instance.push("InstanceID", self.instance_id.as_str());
        instance.push("RemoteID", username);
        Request::put(&instance).secret_arg("Secret", password).selector("InstanceID", self.instance_id.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::class::written::body;
    use crate::names::class_uri;

    #[test]
    fn a_login_is_written_byte_for_byte_and_not_shown() {
        let id = "Intel(r) AMT:MPS Username Password 0";
        let login = MpsUsernamePassword { instance_id: id.into(), remote_id: None };
        let request = login.put("standalone", &"s3cret".into());
        let expected = format!(
            "<h:AMT_MPSUsernamePassword xmlns:h=\"{}\"><h:InstanceID>{id}</h:InstanceID><h:RemoteID>standalone</h:RemoteID>\
             <h:Secret>s3cret</h:Secret></h:AMT_MPSUsernamePassword>",
            class_uri("AMT_MPSUsernamePassword")
        );
        assert_eq!(body(&request), expected);
        assert!(!format!("{request:?}").contains("s3cret"));
    }
}
