using System;
using System.IO;
using System.Net;
using System.Net.Sockets;
using System.Threading;
using System.Threading.Tasks;
using Amt;

namespace AmtTests
{
    // A provisioned virtual machine, read and changed by WS-Man.
    internal static class DeviceTests
    {
        private const string General = "AMT_GeneralSettings";
        internal const string Password = "Administrator.1";

        internal static void All()
        {
            string folder = Path.Combine(Path.GetTempPath(), "amt-net-" + Guid.NewGuid());
            Directory.CreateDirectory(folder);
            try
            {
                using (var machine = new VirtualMachine("127.74.0.1"))
                {
                    ProvisionTests.Provisioned(machine, folder, Password);
                    byte[] roots = File.ReadAllBytes(Path.Combine(folder, "ca.pem"));
                    Program.Test("device: whom to trust has to be said", delegate { Trust(machine, roots); });
                    Program.Test("device: settings are read, changed and read again", delegate { Changed(machine, roots); });
                    Program.Test("device: methods and lists", delegate { Methods(machine, roots); });
                    Program.Test("device: a wrong password is told as one, and is not repeated", delegate { WrongPassword(machine, roots); });
                    Program.Test("device: calls in a task", delegate { InTask(machine, roots); });
                    Program.Test("device: the next boot is set, seen and taken back", delegate { Booted(machine, roots); });
                    Program.Test("device: logs, inventory and how it stands", delegate { Told(machine, roots); });
                    Program.Test("device: sessions, trusted authorities and clock", delegate { Kept(machine, roots); });
                    Program.Test("device: power is read and changed", delegate { Powered(machine, roots); });
                    UpkeepTests.All(machine, roots, folder);
                }
                Program.Test("device: an old one needs consent", delegate { Old(folder); });
                Program.Test("device: a silent one is busy, and cancelled by a token", Silent);
                Program.Test("device: arguments are checked when they are given", Arguments);
            }
            finally
            {
                Directory.Delete(folder, true);
            }
        }

        internal static Device Trusting(VirtualMachine machine, byte[] roots)
        {
            var device = new Device(machine.Address, "admin", Secrets.From(Password));
            device.TrustRoots(roots, "pc1.example.com");
            return device;
        }

        private static void Old(string folder)
        {
            using (var machine = new VirtualMachine("127.74.0.5", persona: "11.8"))
            {
                string own = Path.Combine(folder, "old");
                Directory.CreateDirectory(own);
                ProvisionTests.Provisioned(machine, own, Password, LegacyTls.Allow);
                using (Device device = Trusting(machine, File.ReadAllBytes(Path.Combine(own, "ca.pem"))))
                {
                    Check.Fails(AmtCode.TlsLegacyNotAllowed, delegate { device.Get(General); });
                    device.SetLegacyTls(LegacyTls.Allow);
                    Check.True(device.Get(General).Contains("pc1"), "its settings");
                    Check.Fails(AmtCode.InvalidArgument, delegate { device.SetLegacyTls((LegacyTls)7); });
                }
            }
        }

        private static void Trust(VirtualMachine machine, byte[] roots)
        {
            using (var device = new Device(machine.Address, "admin", Secrets.From(Password)))
            {
                Check.Fails(AmtCode.InvalidArgument, delegate { device.Get(General); });
                Check.Fails(AmtCode.InvalidArgument, delegate { device.TrustPin(new byte[20]); });
                Check.Fails(AmtCode.CertificateParse, delegate { device.TrustRoots(new byte[32], "x"); });
                device.TrustPin(new byte[32]);
                Check.Fails(AmtCode.TlsPinMismatch, delegate { device.Get(General); });
            }
            using (Device device = Trusting(machine, roots))
            {
                device.TrustRoots(roots, "pc2.example.com");
                Check.Throws<AmtException>(delegate { device.Get(General); });
            }
        }

        private static void Changed(VirtualMachine machine, byte[] roots)
        {
            const string on = "\"PingResponseEnabled\":\"true\"", off = "\"PingResponseEnabled\":\"false\"";
            using (Device device = Trusting(machine, roots))
            {
                string settings = device.Get(General);
                Check.True(settings.Contains(on), settings);
                Check.True(device.Put(General, settings.Replace(on, off)).Contains(off), "the reply has the change");
                Check.True(device.Get(General).Contains(off), "the machine has it");
                Check.True(device.GetConnection().Contains("\"certificate_sha256\""), device.GetConnection());
            }
        }

        private static void Methods(VirtualMachine machine, byte[] roots)
        {
            using (Device device = Trusting(machine, roots))
            {
                string time = device.Invoke("AMT_TimeSynchronizationService", "GetLowAccuracyTimeSynch");
                Check.True(time.Contains("\"Ta0\""), time);
                Check.True(device.Enumerate("AMT_PublicKeyCertificate").Contains("\"X509Certificate\""), "certificates are listed");
                AmtException error = Check.Throws<AmtException>(delegate { device.Invoke(General, "NoSuchMethod"); });
                Check.True(error.DeviceStatus != null && error.DeviceStatus.Text.Length > 0, "what the device said: " + error);
                Check.Fails(AmtCode.ParseText, delegate { device.Get(General, "no JSON"); });
            }
        }

        private static void WrongPassword(VirtualMachine machine, byte[] roots)
        {
            using (var device = new Device(machine.Address, "admin", "Wrong.Password.1"))
            {
                device.TrustRoots(roots, "pc1.example.com");
                AmtException error = Check.Fails(AmtCode.WrongOrLocked, delegate { device.Get(General); });
                Check.True(!error.ToString().Contains("Wrong.Password"), error.ToString());
            }
        }

        private static void InTask(VirtualMachine machine, byte[] roots)
        {
            using (Device device = Trusting(machine, roots))
            {
                string settings = device.RunAsync(d => d.Get(General)).Result;
                Check.True(settings.Contains("\"HostName\":\"pc1\""), settings);
                using (var cancelled = new CancellationTokenSource())
                {
                    cancelled.Cancel();
                    Check.Throws<OperationCanceledException>(
                        delegate { device.RunAsync(d => d.Get(General), cancelled.Token).GetAwaiter().GetResult(); });
                }
                Check.Fails(AmtCode.Cancelled, delegate { device.Get(General); });
            }
        }

        private static void Booted(VirtualMachine machine, byte[] roots)
        {
            const string url = "https://boot.example.com/i.efi";
            using (Device device = Trusting(machine, roots))
            {
                Check.True(device.Boot(BootSource.Pxe, BootThen.Nothing).Contains("\"power\":null"), "nothing is started");
                Check.True(device.GetBoot().Contains("\"armed\":true"), device.GetBoot());
                device.ClearBoot();
                Check.True(device.GetBoot().Contains("\"armed\":false"), device.GetBoot());
                Check.True(device.Boot(BootSource.Https, BootThen.Nothing, url, true).Contains(url), "over HTTPS");
                device.ClearBoot();
                Check.Fails(AmtCode.InvalidArgument, delegate { device.Boot(BootSource.Https); });
                Check.Fails(AmtCode.InvalidArgument, delegate { device.Boot(BootSource.Cd, BootThen.Start, url); });
                Check.Fails(AmtCode.InvalidArgument, delegate { device.Boot((BootSource)9); });
            }
        }

        private static void Told(VirtualMachine machine, byte[] roots)
        {
            using (Device device = Trusting(machine, roots))
            {
                Check.True(device.GetEventLog().Contains("\"severity\":\""), device.GetEventLog());
                device.FreezeEventLog();
                AmtException error = Check.Fails(AmtCode.ReturnValue, delegate { device.ClearEventLog(); });
                Check.Equal(2059u, error.DeviceStatus.Value, "what the firmware says");
                device.FreezeEventLog(false);
                device.ClearEventLog();
                Check.True(device.GetEventLog().Contains("\"records\":[]"), "all events are gone");
                Check.True(device.GetAuditLog().Contains("\"initiator\":\""), device.GetAuditLog());
                Check.True(device.GetInventory().Contains(machine.Uuid.ToString()), device.GetInventory());
                Check.True(device.GetStatus().Contains("\"control_mode\":\"admin\""), device.GetStatus());
            }
            using (var other = new Device(machine.Address, "operator", Password))
            {
                other.TrustAny();
                Check.Fails(AmtCode.InvalidArgument, delegate { other.GetStatus(); });
            }
        }

        private static void Kept(VirtualMachine machine, byte[] roots)
        {
            using (Device device = Trusting(machine, roots))
            {
                Check.True(device.GetSessions().Contains("\"screen\":{"), device.GetSessions());
                Check.True(Device.CheckAuthorities(roots).Count == 0, "a root is a bundle");
                Finding wrong = Device.CheckAuthorities(new byte[] { 1 })[0];
                Check.Equal("TRUST-EMPTY", wrong.Code, "what is wrong with it");
                Check.Fails(AmtCode.CertificateParse, delegate { device.AddAuthorities(new byte[] { 1 }); });
                Check.Throws<ArgumentNullException>(delegate { device.AddAuthorities(null); });
                Check.Throws<ArgumentNullException>(delegate { Device.CheckAuthorities(null); });
                Check.True(device.AddAuthorities(roots, true).Contains("\"dry_run\":true"), "what would be added");
                Check.True(device.AddAuthorities(roots).Contains("\"present\":[]"), "it is added");
                Check.True(device.AddAuthorities(roots).Contains("\"added\":[]"), "it is there");
                Check.True(device.GetAuthorities().Contains("-----BEGIN CERTIFICATE-----"), device.GetAuthorities());
                long now = DateTimeOffset.UtcNow.ToUnixTimeSeconds(), before = now - 86400;
                string wrongly = "{\"Ta0\":" + now + ",\"Tm1\":" + before + ",\"Tm2\":" + before + "}";
                device.Invoke("AMT_TimeSynchronizationService", "SetHighAccuracyTimeSynch", wrongly);
                string looked = device.GetClock();
                Check.True(looked.Contains("\"drift_seconds\":-86") && looked.Contains("\"set\":false"), looked);
                Check.True(device.SetClock().Contains("\"set\":true"), "it is made right");
                Check.True(!device.GetClock().Contains("\"drift_seconds\":-86"), "it is right");
            }
        }

        private static void Powered(VirtualMachine machine, byte[] roots)
        {
            using (Device device = Trusting(machine, roots))
            {
                Check.True(device.GetPower().Contains("\"state\":\"on\""), device.GetPower());
                Check.Fails(AmtCode.WrongState, delegate { device.Power(PowerAction.On); });
                Check.True(device.Power(PowerAction.Off).Contains("\"answer\":\"accepted\""), "it is taken");
                Check.True(machine.Says("\"power\":\"off\""), "it is off");
                Check.True(device.Boot(BootSource.Bios).Contains("\"action\":\"on\""), "it is switched on for the boot");
                Check.Fails(AmtCode.InvalidArgument, delegate { device.Power((PowerAction)3); });
            }
        }

        // It takes connections and says nothing.
        private static void Silent()
        {
            var silent = new TcpListener(IPAddress.Loopback, 0);
            silent.Start();
            using (var stop = new CancellationTokenSource())
            using (var device = new Device(IPAddress.Loopback, "admin", Password, ((IPEndPoint)silent.LocalEndpoint).Port))
            {
                device.TrustAny();
                Task<string> waiting = device.RunAsync(d => d.Get(General), stop.Token);
                silent.AcceptSocket();
                Check.Fails(AmtCode.Busy, delegate { device.Get(General); });
                stop.Cancel();
                Check.Throws<OperationCanceledException>(delegate { waiting.GetAwaiter().GetResult(); });
            }
            silent.Stop();
        }

        private static void Arguments()
        {
            Check.Throws<ArgumentNullException>(delegate { new Device(null, "admin", Password); });
            Check.Throws<ArgumentNullException>(delegate { new Device(IPAddress.Loopback, null, Password); });
            Check.Throws<ArgumentNullException>(delegate { new Device(IPAddress.Loopback, "admin", (string)null); });
            Check.Throws<ArgumentOutOfRangeException>(delegate { new Device(IPAddress.Loopback, "admin", Password, 65536); });
            var freed = new Device(IPAddress.Loopback, "admin", Password);
            freed.Dispose();
            freed.Dispose();
            Check.Throws<ObjectDisposedException>(delegate { freed.Get(General); });
        }
    }
}
