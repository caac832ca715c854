//! Where the machine is: a fixed address of its profile takes it elsewhere.

use crate::commit::is_restart;
use crate::machine::Cx;
use crate::managed::{Access, Managed};
use crate::step::Step;
use amt_core::{ErrorCode, Failure};
use std::net::{IpAddr, SocketAddr};

/// Where it was to be looked for, and where it is.
pub(super) struct Places {
    given: Option<IpAddr>,
    now: Option<IpAddr>,
}

impl Places {
    /// A machine where `access` says.
    pub(super) fn new(access: &Access) -> Self {
        let given = access.authority.parse::<SocketAddr>().ok().map(|at| at.ip());
        Self { given, now: given }
    }

    /// Where it is, if that is not where it was to be looked for.
    pub(super) fn elsewhere(&self) -> Option<IpAddr> {
        self.now.filter(|_| self.now != self.given)
    }

    /// Logs in; at `moved_to` where it is not at the first place. Its certificate tells it from whoever else is at either.
    pub(super) async fn open(
        &mut self,
        cx: &Cx,
        access: &mut Access,
        moved_to: Option<IpAddr>,
    ) -> Result<Managed, Failure> {
        let first = match Managed::open(cx, access).await {
            Err(failure) if is_restart(&failure) || failure.code == ErrorCode::WRONG_MACHINE => failure,
            opened_or_not => return opened_or_not,
        };
        let other = if moved_to == self.now { self.given } else { moved_to };
        let Some(other) = other.filter(|other| Some(*other) != self.now) else { return Err(first) };
        let here = self.now;
        self.go_to(cx, access, other);
        match Managed::open(cx, access).await {
            Ok(opened) => {
                cx.note(format!("the machine is at {other} now"));
                Ok(opened)
            }
            Err(mut failure) => {
                if let Some(here) = here {
                    self.go_to(cx, access, here);
                }
                let code = failure.code;
                // What it says where it was found matters, else that it is where it was to be looked for.
                if is_restart(&failure) || code == ErrorCode::WRONG_MACHINE {
                    failure = first;
                    failure.message += &format!("; nor is it at {other}, the address that its profile gave it");
                }
                Err(failure.at(Step::Connect.name()))
            }
        }
    }

    fn go_to(&mut self, cx: &Cx, access: &mut Access, address: IpAddr) {
        cx.go_to(address);
        access.authority = SocketAddr::new(address, access.port).to_string();
        self.now = Some(address);
    }
}
