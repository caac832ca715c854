using System;
using System.IO;
using System.Linq;
using Amt;

namespace AmtTests
{
    // A provisioned virtual machine: a profile applied, its password changed, its setup taken back.
    internal static class UpkeepTests
    {
        private const string Profile = "format = 1\nname = \"desk\"\n[general]\nrmcp_ping = false\n";
        private const string Next = "Administrator.2";

        internal static void All(VirtualMachine machine, byte[] roots, string folder)
        {
            Program.Test("upkeep: everything that is wrong with a profile is told", Wrong);
            Program.Test("upkeep: a file keeps the last record", Kept);
            Program.Test("upkeep: a profile is compared and applied", delegate { Configured(machine, roots); });
            Program.Test("upkeep: the certificate is renewed", delegate { Renewed(machine, roots, folder); });
            Program.Test("upkeep: a new password is stored before it is sent", delegate { Rotated(machine, roots); });
            Program.Test("upkeep: the setup is taken back", delegate { TakenBack(machine); });
        }

        private static void Wrong()
        {
            Check.Equal(0, Amt.Profile.Check(Profile).Count, "findings about a good one");
            var findings = Amt.Profile.Check("{\"format\": 1, \"name\": \"x\", \"general\": {\"ping\": \"yes\"}, \"colour\": 3}", "16.1");
            Check.True(findings.Any(f => f.Field == "general.ping") && findings.Any(f => f.Field == "colour"), string.Join(", ", findings));
            Check.Fails(AmtCode.ParseText, delegate { Amt.Profile.Check("name ="); });
            Check.Throws<ArgumentNullException>(delegate { Amt.Profile.Check(null); });
        }

        private static void Kept()
        {
            string path = Path.Combine(Path.GetTempPath(), "amt-record-" + Guid.NewGuid());
            try
            {
                Check.True(RecordFile.Load(path) == null, "there is none yet");
                RecordFile.Store(path, new byte[] { 1, 2 });
                RecordFile.Store(path, new byte[] { 3 });
                Check.True(RecordFile.Load(path).SequenceEqual(new byte[] { 3 }), "the last one");
                Check.True(!File.Exists(path + ".new"), "nothing is left beside it");
                Check.Throws<DirectoryNotFoundException>(delegate { RecordFile.Store(Path.Combine(path + "-none", "x"), new byte[1]); });
            }
            finally
            {
                File.Delete(path);
            }
        }

        private static void Configured(VirtualMachine machine, byte[] roots)
        {
            byte[] stored = null;
            var host = new ProvisioningHost { Store = delegate(byte[] record) { stored = (byte[])record.Clone(); } };
            using (Device device = DeviceTests.Trusting(machine, roots))
            {
                string would = Finish(device.Configure(Profile, dryRun: true), host).Result;
                Check.True(would.Contains("\"field\":\"general.rmcp_ping\"") && would.Contains("\"writes\":0"), would);
                Check.True(stored == null, "a dry run stores nothing");
                var full = new ProvisioningHost { Store = delegate { throw new InvalidOperationException("disk full"); } };
                Check.Throws<InvalidOperationException>(delegate { Finish(device.Configure(Profile), full); });
                would = Finish(device.Configure(Profile, dryRun: true), host).Result;
                Check.True(would.Contains("general.rmcp_ping"), "what could not be stored was not written: " + would);
                string done = Finish(device.Configure(Profile), host).Result;
                Check.True(done.Contains("\"dry_run\":false") && stored != null, done);
                string again = Finish(device.Configure(Profile, record: stored), host).Result;
                Check.True(again.Contains("\"changes\":[]"), again);
                Check.Fails(AmtCode.PlanInvalid, delegate { device.Configure("format = 1\nname = 7\n"); });
                Check.Fails(AmtCode.Journal, delegate { device.Configure(Profile, record: new byte[] { 1 }); });
            }
        }

        private static void Renewed(VirtualMachine machine, byte[] roots, string folder)
        {
            byte[] stored = null;
            CertificateRequest asked = null;
            var host = new ProvisioningHost
            {
                Store = delegate(byte[] record) { stored = (byte[])record.Clone(); },
                Certify = delegate(CertificateRequest request)
                {
                    asked = request;
                    return CertificateReply.Denied("not on a Thursday");
                },
            };
            using (Device device = DeviceTests.Trusting(machine, roots))
            {
                string before = device.GetStatus();
                string early = Finish(device.Renew(50), host).Result;
                Check.True(early.Contains("\"changed\":false") && stored == null, early);
                Check.Fails(AmtCode.CaDenied, delegate { Finish(device.Renew(), host); });
                Check.True(asked.DnsNames.Contains("pc1.example.com") && stored != null, "the authority is asked, after a record");
                var authority = new AuthorityFiles(Path.Combine(folder, "ca.pem"), Path.Combine(folder, "ca.key"));
                string done = Finish(device.Renew(0, authority, stored), host).Result;
                Check.True(done.Contains("\"changed\":true"), done);
                Check.True(device.GetStatus() != before, "it serves another certificate");
                Check.Fails(AmtCode.Journal, delegate { device.Renew(record: new byte[] { 1 }); });
                Check.Throws<ArgumentOutOfRangeException>(delegate { device.Renew(101); });
            }
        }

        private static void Rotated(VirtualMachine machine, byte[] roots)
        {
            byte[] stored = null;
            string fresh = null;
            using (Device device = DeviceTests.Trusting(machine, roots))
            {
                // Broken off when its record comes: the machine has the old password.
                using (Provisioning attempt = device.Rotate())
                {
                    while (stored == null)
                    {
                        using (ProvisioningEvent next = attempt.Next(TimeSpan.FromMinutes(1)))
                        {
                            stored = next.Kind == ProvisioningEventKind.Persist ? next.GetRecord() : null;
                        }
                    }
                    Check.Fails(AmtCode.InvalidArgument, delegate { attempt.Next(TimeSpan.Zero); });
                }
                using (Record record = Record.Parse(stored))
                {
                    Check.Equal(2, record.AdminPasswords.Count, "the number of passwords");
                    fresh = Secrets.Reveal(record.AdminPasswords[0]);
                }
                Check.True(machine.HasAdminPassword(DeviceTests.Password), "it has the old one");
                var host = new ProvisioningHost { Store = delegate(byte[] record) { stored = (byte[])record.Clone(); } };
                Check.True(Finish(device.Rotate(record: stored), host).Result.Contains("\"changed\":true"), "it is changed");
                Check.True(machine.HasAdminPassword(fresh), "the one that was stored first");
                Check.True(Finish(device.Rotate(Secrets.From(Next), stored), host).Result.Contains("\"changed\":true"), "and again");
                Check.True(machine.HasAdminPassword(Next), "the one that was given");
                Check.Fails(AmtCode.PlanInvalid, delegate { Finish(device.Rotate(Secrets.From("short"), stored), host); });
            }
        }

        private static void TakenBack(VirtualMachine machine)
        {
            byte[] stored = null;
            var host = new ProvisioningHost { Store = delegate(byte[] record) { stored = (byte[])record.Clone(); } };
            using (var device = new Device(machine.Address, "admin", Secrets.From(Next)))
            {
                device.TrustAny();
                string would = Finish(device.Unprovision(UnprovisionExtent.Full, dryRun: true), host).Result;
                Check.True(would.Contains("\"before\":\"admin\"") && stored == null, would);
                Outcome done = Finish(device.Unprovision(UnprovisionExtent.Full), host);
                Check.Equal("none", done.ControlMode, "how it is controlled");
                Check.True(done.Result.Contains("\"changed\":true") && stored != null, done.Result);
                Check.True(machine.Says("\"state\":\"pre\""), "the firmware says so too");
                Check.Fails(AmtCode.InvalidArgument, delegate { device.Unprovision((UnprovisionExtent)7); });
            }
        }

        private static Outcome Finish(Provisioning attempt, ProvisioningHost host)
        {
            using (attempt)
            {
                return attempt.Run(host);
            }
        }
    }
}
