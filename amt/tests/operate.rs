//! Operating machines that are set up, over real sockets and TLS.

use amt::operate::{
    BootPlan, NextBoot, PowerAction, PowerState, Then, boot_next, boot_state, change_power, clear_boot, power_status,
};
use amt::{Device, Transport};
use amt_core::tls::PeerIdentity;
use amt_core::{DeviceStatus, ErrorCode, SystemId};
use amt_sim::firmware::{MachineTruth, TrueBoot};
use amt_sim::{Fault, SetUp, SimConfig, Simulator};
use amt_wsman::client::Credentials;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

const PASSWORD: &str = "P@ssw0rd-1";

/// One machine that is set up.
struct Lab {
    simulator: Simulator,
    id: SystemId,
    address: SocketAddr,
}

impl Lab {
    async fn new(network: u8, change: impl FnOnce(&mut SimConfig)) -> Self {
        let mut config = SimConfig::new(1);
        config.base_address = Ipv4Addr::new(127, 66, network, 1);
        config.set_up = Some(SetUp::Admin);
        config.admin_password = Some(PASSWORD.into());
        config.time_scale = 50.0;
        change(&mut config);
        let simulator = Simulator::start(config).await.unwrap();
        let machine = simulator.machines()[0];
        Self { id: machine.id, address: (machine.address, 16_993).into(), simulator }
    }

    fn device(&self) -> Device {
        Device::new(self.address, Transport::Tls(PeerIdentity::Any), Credentials::new("admin", PASSWORD.to_owned()))
            .unwrap()
    }

    fn truth(&self) -> MachineTruth {
        self.simulator.truth(self.id).unwrap()
    }

    fn fault(&self, fault: &str) {
        assert!(self.simulator.add_fault(self.id, fault.parse::<Fault>().unwrap()));
    }

    /// Waits for the boot of this number and says what it was.
    async fn boot(&self, number: u64) -> TrueBoot {
        while self.truth().boot_total < number {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.truth().boots.pop().unwrap()
    }

    /// How often the power was asked for.
    fn changes(&self) -> u64 {
        self.truth().requests.get("CIM_PowerManagementService.RequestPowerStateChange").copied().unwrap_or(0)
    }
}

#[tokio::test]
async fn power_is_read_and_changed_and_what_cannot_be_is_not_sent() {
    let lab = Lab::new(1, |_| {}).await;
    let mut device = lab.device();
    let status = power_status(&mut device).await.unwrap();
    assert_eq!(status.state, PowerState::ON);
    assert!(status.available.unwrap().contains(&PowerAction::SoftOff));
    let failure = change_power(&mut device, PowerAction::On).await.unwrap_err();
    assert_eq!((failure.code, lab.changes()), (ErrorCode::WRONG_STATE, 0));
    assert!(failure.hint.contains("possible now: reset, off"), "{}", failure.hint);

    for (action, state) in [
        (PowerAction::Sleep, "asleep"),
        (PowerAction::On, "on"),
        (PowerAction::Hibernate, "hibernated"),
        (PowerAction::On, "on"),
        (PowerAction::Off, "off"),
        (PowerAction::On, "on"),
        (PowerAction::Cycle, "on"),
        (PowerAction::Nmi, "on"),
    ] {
        while lab.truth().boot_total < 1 && action == PowerAction::Off {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let change = change_power(&mut device, action).await.unwrap();
        assert!(!change.seen_only);
        assert_eq!(lab.truth().power, state, "{action}");
        assert_eq!(power_status(&mut device).await.unwrap().state.name(), state);
    }
    lab.simulator.stop().await.unwrap();
}

#[tokio::test]
async fn a_lost_reply_is_answered_by_the_state_and_nothing_is_sent_twice() {
    let lab = Lab::new(2, |_| {}).await;
    let mut device = lab.device();
    lab.fault("CIM_PowerManagementService.RequestPowerStateChange:out:reset");
    let change = change_power(&mut device, PowerAction::Off).await.unwrap();
    assert!(change.seen_only);
    assert_eq!((lab.truth().power.as_str(), lab.changes()), ("off", 1));

    change_power(&mut device, PowerAction::On).await.unwrap();
    lab.fault("CIM_PowerManagementService.RequestPowerStateChange:out:reset");
    let failure = change_power(&mut device, PowerAction::Reset).await.unwrap_err();
    assert!(failure.message.contains("the computer is on now"), "{failure}");
    assert!(failure.hint.contains("not repeated"), "{}", failure.hint);
    assert_eq!(lab.changes(), 3);
    lab.simulator.stop().await.unwrap();
}

#[tokio::test]
async fn a_refusal_names_the_firmwares_reason() {
    let lab = Lab::new(3, |_| {}).await;
    lab.fault("CIM_PowerManagementService.RequestPowerStateChange:in:status=32785");
    let failure = change_power(&mut lab.device(), PowerAction::Reset).await.unwrap_err();
    assert_eq!(failure.code, ErrorCode::RETURN_VALUE);
    let Some(DeviceStatus::ReturnValue { value, name, .. }) = failure.device else { panic!("{failure:?}") };
    assert_eq!((value, name.as_ref()), (32_785, "NOT_OWNER"));
    lab.simulator.stop().await.unwrap();
}

#[tokio::test]
async fn each_source_is_booted_once_and_a_computer_that_is_off_is_switched_on() {
    let lab = Lab::new(4, |_| {}).await;
    let mut device = lab.device();
    let url = "https://boot.example.com/image.efi".to_owned();
    let all = [NextBoot::Pxe, NextBoot::Disk, NextBoot::Cd, NextBoot::Bios, NextBoot::Https(url.clone())];
    for (number, (next, source)) in
        (1..).zip(all.into_iter().zip(["network", "hard-drive", "optical", "bios-setup", "https"]))
    {
        let mut plan = BootPlan::new(next);
        plan.sol = source == "bios-setup";
        let change = boot_next(&mut device, &plan).await.unwrap().unwrap();
        assert_eq!(change.action, PowerAction::Reset);
        let boot = lab.boot(number).await;
        assert_eq!((boot.source.as_str(), boot.sol), (source, plan.sol));
        assert_eq!(boot.url.is_some(), source == "https");
    }
    assert_eq!(lab.truth().boots.last().unwrap().url, Some(url));
    change_power(&mut device, PowerAction::Cycle).await.unwrap();
    assert_eq!(lab.boot(6).await.source, "default", "the source was for one boot");

    change_power(&mut device, PowerAction::Off).await.unwrap();
    let change = boot_next(&mut device, &BootPlan::new(NextBoot::Pxe)).await.unwrap().unwrap();
    assert_eq!((change.action, lab.boot(7).await.source.as_str()), (PowerAction::On, "network"));
    lab.simulator.stop().await.unwrap();
}

#[tokio::test]
async fn what_is_set_can_be_seen_and_taken_back() {
    let lab = Lab::new(5, |_| {}).await;
    let mut device = lab.device();
    let state = boot_state(&mut device).await.unwrap();
    assert_eq!((state.armed, state.options.len()), (Some(false), 0));
    assert_eq!(state.possible, ["pxe", "disk", "cd", "bios", "https"]);
    let mut plan = BootPlan::new(NextBoot::Bios);
    plan.then = Then::Nothing;
    assert_eq!(boot_next(&mut device, &plan).await.unwrap(), None);
    let state = boot_state(&mut device).await.unwrap();
    assert_eq!((state.armed, state.options), (Some(true), vec!["BIOSSetup".to_owned()]));
    // The options left behind stand in the way of no source.
    plan.next = NextBoot::Pxe;
    boot_next(&mut device, &plan).await.unwrap();
    clear_boot(&mut device).await.unwrap();
    let state = boot_state(&mut device).await.unwrap();
    assert_eq!((state.armed, state.options.len(), lab.truth().boot_order), (Some(false), 0, None));

    plan.then = Then::Power(PowerAction::On);
    let failure = boot_next(&mut device, &plan).await.unwrap_err();
    assert_eq!((failure.code, lab.truth().boot_order), (ErrorCode::WRONG_STATE, None), "nothing is set before");
    plan.then = Then::Start;
    lab.fault("CIM_PowerManagementService.RequestPowerStateChange:in:status=32785");
    boot_next(&mut device, &plan).await.unwrap_err();
    let truth = lab.truth();
    assert_eq!((truth.boot_order, truth.boot_armed), (None, false), "what was set is taken back");
    lab.simulator.stop().await.unwrap();
}

#[tokio::test]
async fn a_machine_in_client_control_mode_wants_its_users_consent() {
    let lab = Lab::new(6, |config| config.set_up = Some(SetUp::Client)).await;
    let mut device = lab.device();
    for next in [NextBoot::Pxe, NextBoot::Bios] {
        let failure = boot_next(&mut device, &BootPlan::new(next)).await.unwrap_err();
        assert!(failure.hint.contains("consent"), "{failure}");
    }
    assert_eq!(lab.changes(), 0);
    assert!(!lab.truth().boot_armed);
    clear_boot(&mut device).await.unwrap();
    change_power(&mut device, PowerAction::Reset).await.unwrap();
    lab.simulator.stop().await.unwrap();
}

#[tokio::test]
async fn boots_over_https_are_for_firmware_and_a_bios_that_have_them() {
    let persona = |text: &str| Some(amt_sim::Persona::parse(&format!("based_on = \"amt-16.0\"\n{text}")).unwrap());
    for (network, persona) in
        [(7, persona("version = \"15.0.23.1706\"\n")), (8, persona("[power]\nhttps_boot = false\n"))]
    {
        let lab = Lab::new(network, |config| config.persona = persona.unwrap().into()).await;
        let plan = BootPlan::new(NextBoot::Https("https://a/b".to_owned()));
        let failure = boot_next(&mut lab.device(), &plan).await.unwrap_err();
        assert_eq!(failure.code, ErrorCode::FIRMWARE_UNSUPPORTED);
        let plan = BootPlan::new(NextBoot::Https("http://a/b".to_owned()));
        let failure = boot_next(&mut lab.device(), &plan).await.unwrap_err();
        assert_eq!(failure.code, ErrorCode::INVALID_ARGUMENT);
        lab.simulator.stop().await.unwrap();
    }
}
