//! `amt wsman get|enumerate|invoke`: one operation on one machine.

use super::show;
use crate::cmd::connect::Connect;
use crate::cmd::{Error, Verdict, block_on};
use crate::output::Output;
use amt_wsman::decode::Description;
use amt_wsman::op::{Reply, Request};

/// Read one instance of a class
#[derive(clap::Args)]
pub(super) struct Get {
    /// For example AMT_GeneralSettings
    class: String,
    #[command(flatten)]
    selectors: Selectors,
    #[command(flatten)]
    connect: Connect,
}

/// List all instances of a class
#[derive(clap::Args)]
pub(super) struct Enumerate {
    /// For example CIM_SoftwareIdentity
    class: String,
    #[command(flatten)]
    connect: Connect,
}

/// Call a method; a ReturnValue other than 0 is a failure
#[derive(clap::Args)]
pub(super) struct Invoke {
    /// For example AMT_SetupAndConfigurationService
    class: String,
    /// For example GetUuid
    method: String,
    /// An argument of the method; may be repeated, in the order that the method wants
    #[arg(long = "arg", value_name = "NAME=VALUE", value_parser = pair)]
    arguments: Vec<(String, String)>,
    #[command(flatten)]
    selectors: Selectors,
    #[command(flatten)]
    connect: Connect,
}

#[derive(clap::Args)]
pub(super) struct Selectors {
    /// Which instance; may be repeated
    #[arg(long = "selector", value_name = "NAME=VALUE", value_parser = pair)]
    selectors: Vec<(String, String)>,
}

impl Get {
    pub(super) fn run(self, out: &mut Output) -> Result<Verdict, Error> {
        let request = self.selectors.on(Request::get(&self.class));
        let reply = call(self.connect, &request)?;
        let instance = reply.instance().map_err(|error| error.failure("read"))?;
        show(out, &Description::answer(&self.class, None, None, vec![instance.clone()]))
    }
}

impl Enumerate {
    pub(super) fn run(self, out: &mut Output) -> Result<Verdict, Error> {
        let reply = call(self.connect, &Request::enumerate(&self.class))?;
        show(out, &Description::answer(&self.class, None, None, reply.instances().to_vec()))
    }
}

impl Invoke {
    pub(super) fn run(self, out: &mut Output) -> Result<Verdict, Error> {
        let request = self.selectors.on(Request::invoke(&self.class, &self.method));
        let request = self.arguments.iter().fold(request, |request, (name, value)| request.arg(name, value.as_str()));
        let reply = call(self.connect, &request)?;
        let output = reply.output().map_err(|error| error.failure("read"))?;
        let method = Some(self.method.as_str());
        show(out, &Description::answer(&self.class, method, reply.return_value(), vec![output.clone()]))
    }
}

impl Selectors {
    /// The request about the instance that they name.
    pub(super) fn on(&self, request: Request) -> Request {
        self.selectors.iter().fold(request, |request, (name, value)| request.selector(name, value.as_str()))
    }
}

fn call(connect: Connect, request: &Request) -> Result<Reply, Error> {
    block_on(async {
        let mut device = connect.device().await?;
        Ok(device.call(request).await?)
    })
}

/// `NAME=VALUE`.
pub(super) fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write NAME=VALUE".to_owned()),
    }
}
