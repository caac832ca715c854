using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Threading;
using System.Threading.Tasks;
using Amt;

namespace AmtTests
{
    // Virtual machines from setup mode to proven admin control mode.
    internal static class ProvisionTests
    {
        internal static void All()
        {
            string folder = Path.Combine(Path.GetTempPath(), "amt-net-" + Guid.NewGuid());
            Directory.CreateDirectory(folder);
            try
            {
                using (var machine = new VirtualMachine("127.72.0.1"))
                {
                    byte[] stored = null;
                    Program.Test("provision: an event is a question; nothing is sent before the record is stored", delegate { stored = Broken(machine, folder); });
                    Program.Test("provision: a second attempt goes on from the record, to the end", delegate { GoesOn(machine, folder, stored); });
                }
                using (var machine = new VirtualMachine("127.73.0.1"))
                {
                    Program.Test("provision: a store that throws ends the attempt, and its error is told", delegate { StoreThrows(machine, folder); });
                    Program.Test("provision: the authority is asked, and its refusal ends the attempt", delegate { Denied(machine); });
                    Program.Test("provision: a task, the journal in a file", delegate { JournalFile(machine, folder); });
                    Program.Test("provision: the log tells what happens, and no password", delegate { Logged(folder); });
                }
                using (var machine = new VirtualMachine("127.73.0.61"))
                {
                    Program.Test("provision: a key elsewhere signs the handshakes", delegate { Elsewhere(machine, folder); });
                }
            }
            finally
            {
                Directory.Delete(folder, true);
            }
        }

        internal static Job JobFor(VirtualMachine machine, string folder)
        {
            var job = new Job(machine.Uuid, machine.Address);
            using (Certificate chain = PreflightTests.Chain())
            {
                job.AddCertificate(chain);
            }
            job.SetSuffix("example.com");
            job.SetHostName("pc1");
            job.SetDomainName("example.com");
            if (folder != null)
            {
                job.SetAuthorityFiles(Path.Combine(folder, "ca.pem"), Path.Combine(folder, "ca.key"));
            }
            return job;
        }

        // A machine set up with this password, by the authority whose files are in the folder.
        internal static void Provisioned(
            VirtualMachine machine, string folder, string password, LegacyTls consent = LegacyTls.Refuse)
        {
            using (Job job = JobFor(machine, folder))
            {
                job.SetAdminPassword(Secrets.From(password));
                job.SetLegacyTls(consent);
                job.SetJournalFile(Path.Combine(folder, "machine.db"), Path.Combine(folder, "machine.key"));
                using (Provisioning attempt = job.Start())
                {
                    attempt.Run(new ProvisioningHost());
                }
            }
        }

        private static byte[] Broken(VirtualMachine machine, string folder)
        {
            using (Job job = JobFor(machine, folder))
            using (Provisioning attempt = job.Start())
            {
                for (;;)
                {
                    using (ProvisioningEvent next = attempt.Next(TimeSpan.FromMinutes(1)))
                    {
                        Check.True(next != null && next.Kind != ProvisioningEventKind.Done, "a record with a password comes before the end");
                        if (next.Kind != ProvisioningEventKind.Persist)
                        {
                            continue;
                        }
                        Check.Fails(AmtCode.InvalidArgument, delegate { attempt.Next(TimeSpan.Zero); });
                        Check.Fails(AmtCode.InvalidArgument, delegate { next.GetRequest(); });
                        byte[] record = next.GetRecord();
                        using (Record read = Record.Parse(record))
                        {
                            if (read.AdminPasswords.Count > 0)
                            {
                                string password = Secrets.Reveal(read.AdminPasswords[0]);
                                Check.True(password.Length >= 8 && !machine.HasAdminPassword(password), "the password is not sent yet");
                                Check.True(!read.Verified && read.Certificate.Length == 0, "nothing is proven yet");
                                return record; // as if this program had been killed here
                            }
                        }
                        attempt.Persisted();
                    }
                }
            }
        }

        private static void GoesOn(VirtualMachine machine, string folder, byte[] stored)
        {
            using (Job job = JobFor(machine, folder))
            {
                job.SetRecord(stored);
                var kinds = new List<ProvisioningEventKind>();
                var host = new ProvisioningHost
                {
                    Store = record => stored = (byte[])record.Clone(),
                    Progress = next => kinds.Add(next.Kind),
                };
                using (Provisioning attempt = job.Start())
                {
                    Outcome outcome = attempt.Run(host);
                    Check.Equal("admin", outcome.ControlMode, "the mode");
                    Check.True(outcome.TlsVersion.StartsWith("TLS "), "the TLS version: " + outcome.TlsVersion);
                    Check.True(outcome.TlsSuite.StartsWith("TLS"), "the suite: " + outcome.TlsSuite);
                    Check.True(outcome.Firmware.StartsWith("16."), "the firmware: " + outcome.Firmware);
                    using (ProvisioningEvent again = attempt.Next(TimeSpan.Zero))
                    {
                        Check.Equal(ProvisioningEventKind.Done, again.Kind, "the end is told again");
                    }
                }
                Check.True(kinds.Contains(ProvisioningEventKind.Step) && kinds.Contains(ProvisioningEventKind.Connected), "progress is told");
            }
            Proven(machine, stored);
        }

        // The key is in another process alone, that of OpenSSL's program.
        private static void Elsewhere(VirtualMachine machine, string folder)
        {
            int signed = 0;
            byte[] stored = null;
            string key = Path.Combine(folder, "elsewhere.pem");
            File.WriteAllBytes(key, Check.TestFile("key.pem"));
            var host = new ProvisioningHost { Store = record => stored = (byte[])record.Clone() };
            using (var job = new Job(machine.Uuid, machine.Address))
            using (Certificate keyless = Certificate.FromPem(Check.TestFile("chain.pem")))
            {
                job.AddChain(keyless);
                job.SetSuffix("example.com");
                job.SetHostName("pc1");
                job.SetDomainName("example.com");
                job.SetAuthorityFiles(Path.Combine(folder, "ca.pem"), Path.Combine(folder, "ca.key"));
                host.Sign = delegate { throw new IOException("the module is locked"); };
                using (Provisioning attempt = job.Start())
                {
                    Check.Throws<IOException>(delegate { attempt.Run(host); });
                }
                host.Sign = delegate(SigningRequest request)
                {
                    signed++;
                    Check.Equal(0, request.Certificate, "which certificate");
                    return LocalTests.Signature(folder, key, request.Data);
                };
                using (Provisioning attempt = job.Start())
                {
                    Check.Equal("admin", attempt.Run(host).ControlMode, "the mode");
                }
            }
            Check.True(signed > 0, "something was signed");
            Proven(machine, stored);
        }

        private static void Proven(VirtualMachine machine, byte[] stored)
        {
            using (Record record = Record.Parse(stored))
            {
                Check.Equal(machine.Uuid, record.Uuid, "the record's UUID");
                Check.True(record.Verified, "it is verified");
                Check.True(record.Certificate.Length > 100 && record.Certificate[0] == 0x30, "it has the certificate");
                Check.True(machine.HasAdminPassword(Secrets.Reveal(record.AdminPasswords[0])), "the firmware has the password");
                Check.True(record.MebxPasswords.Count > 0, "it has the password of the setup menu");
            }
            Check.True(machine.Says("\"control_mode\":\"admin\""), "the firmware says so too");
        }

        private static void StoreThrows(VirtualMachine machine, string folder)
        {
            using (Job job = JobFor(machine, folder))
            using (Provisioning attempt = job.Start())
            {
                var host = new ProvisioningHost { Store = delegate { throw new IOException("the disk is full"); } };
                Check.Equal("the disk is full", Check.Throws<IOException>(delegate { attempt.Run(host); }).Message, "the host's own error");
                AmtException end = Check.Fails(AmtCode.Journal, delegate { attempt.Next(TimeSpan.FromSeconds(10)); });
                Check.True(end.Message.Contains("the disk is full"), "the reason is told: " + end.Message);
            }
            Check.True(!machine.Says("\"control_mode\":\"admin\""), "the machine is as it was");
        }

        private static void Denied(VirtualMachine machine)
        {
            using (Job job = JobFor(machine, null))
            using (Provisioning attempt = job.Start())
            {
                CertificateRequest asked = null;
                var host = new ProvisioningHost
                {
                    Store = delegate { },
                    Certify = delegate(CertificateRequest request)
                    {
                        asked = request;
                        return CertificateReply.Denied("not on a Thursday");
                    },
                };
                AmtException error = Check.Fails(AmtCode.CaDenied, delegate { attempt.Run(host); });
                Check.True(error.Message.Contains("not on a Thursday"), "the authority's words: " + error.Message);
                Check.True(asked.Csr.Length > 100 && asked.Csr[0] == 0x30, "a request in DER");
                Check.True(asked.CommonName.Length > 0 && asked.DnsNames.Contains("pc1.example.com"), "its names");
                Check.Equal("", asked.RequestId, "it is a new one");
            }
        }

        private static void Logged(string folder)
        {
            const string password = "Log&Quiet-Passe7";
            var lines = new List<LogLine>();
            bool busy = false;
            using (var machine = new VirtualMachine("127.74.0.2"))
            {
                Directory.CreateDirectory(Path.Combine(folder, "log"));
                Log.Take(LogLevel.Trace, delegate(LogLine line)
                {
                    lock (lines)
                    {
                        lines.Add(line);
                        busy |= Check.Throws<AmtException>(delegate { Log.Take(LogLevel.Error, null); }).Code == AmtCode.Busy;
                    }
                    throw new InvalidOperationException("dropped");
                });
                GC.Collect();
                Provisioned(machine, Path.Combine(folder, "log"), password);
                Log.Take(LogLevel.Trace, null);
            }
            int count = lines.Count;
            Check.True(count > 50 && busy, "lines come, and none may replace the function: " + count);
            Check.True(lines.Any(line => line.Target == "amt::driver" && line.Message.StartsWith("connected")), "a connection is told");
            Check.True(lines.All(line => !line.ToString().Contains(password)), "no line has the password");
            using (var nobody = new Device(System.Net.IPAddress.Parse("127.74.0.3"), "admin", Secrets.From(password)))
            {
                nobody.TrustAny();
                Check.Throws<AmtException>(delegate { nobody.Get("AMT_GeneralSettings"); });
            }
            Check.Equal(count, lines.Count, "the number of lines after its end");
            Check.Fails(AmtCode.InvalidArgument, delegate { Log.Take((LogLevel)9, delegate { }); });
        }

        private static void JournalFile(VirtualMachine machine, string folder)
        {
            // The refused attempt before left a password that only its records know: a machine of its own.
            using (var fresh = new VirtualMachine("127.74.0.1"))
            using (Job job = JobFor(fresh, folder))
            {
                job.SetJournalFile(Path.Combine(folder, "journal.db"), Path.Combine(folder, "journal.key"));
                job.SetAdminPassword(Secrets.From("Str0ng&Quiet-Passe"));
                using (Provisioning attempt = job.Start())
                {
                    Task<Outcome> run = attempt.RunAsync(new ProvisioningHost(), CancellationToken.None);
                    Check.True(run.Wait(TimeSpan.FromMinutes(2)), "it comes to an end");
                    Check.Equal("admin", run.Result.ControlMode, "the mode");
                }
                Check.True(fresh.HasAdminPassword("Str0ng&Quiet-Passe"), "the password that was asked for");
            }
        }
    }
}
