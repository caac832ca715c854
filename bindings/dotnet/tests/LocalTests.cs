using System;
using System.Diagnostics;
using System.IO;
using System.Net;
using System.Threading;
using System.Threading.Tasks;
using Amt;

namespace AmtTests
{
    // The firmware of this machine, here that of a virtual one: what it says, its setup without a server, and the setup taken back.
    internal static class LocalTests
    {
        private const string Service = "127.78.0.2";

        internal static void All()
        {
            Program.Test("local: mistakes are told", Misuse);
            if (Environment.UserName != "root" || !File.Exists("/dev/fuse"))
            {
                Console.WriteLine("not tested here: device files need root and /dev/fuse");
                return;
            }
            string folder = Path.Combine(Path.GetTempPath(), "amt-local-" + Guid.NewGuid());
            Directory.CreateDirectory(folder);
            Process inside = null;
            try
            {
                string device = Path.Combine(folder, "mei0"), certificates = Path.Combine(folder, "certificates");
                inside = Start(device, certificates);
                using (var local = new LocalMachine())
                {
                    local.SetDevice(device);
                    local.SetRoute(LocalRoute.Auto, IPAddress.Parse(Service));
                    Program.Test("local: the status of a machine", delegate { ComesUp(local); });
                    Program.Test("local: a cancelled attempt changes nothing", delegate { Cancelled(local); });
                    Program.Test("local: nothing is changed before the record is stored", delegate { StoreThrows(local); });
                    Program.Test("local: client control mode and back", delegate { Client(local); });
                    local.SetRoute(LocalRoute.Lme);
                    Program.Test("local: admin control mode and back", delegate { Admin(local, certificates); });
                    Program.Test("local: a key that is elsewhere signs", delegate { Elsewhere(local, certificates); });
                    Program.Test("local: a second thread is told busy, and may cancel", delegate { BusyAndCancel(local); });
                }
            }
            finally
            {
                if (inside != null)
                {
                    Stop(inside);
                }
                Directory.Delete(folder, true);
            }
        }

        private static Process Start(string device, string certificates)
        {
            var start = new ProcessStartInfo(Check.Need("AMT_BIN"))
            {
                Arguments = "sim mei --mount \"" + device + "\" --suffix example.com --persona 16.0 --base-address 127.78.0.1 --lms " + Service
                    + " --certificate \"" + certificates + "\" --time-scale 20",
                UseShellExecute = false,
                RedirectStandardOutput = true,
            };
            Process process = Process.Start(start);
            process.OutputDataReceived += delegate { };
            process.BeginOutputReadLine();
            return process;
        }

        // SIGTERM, on which it takes its device file away; killed it would leave a dead one behind.
        private static void Stop(Process process)
        {
            using (Process kill = Process.Start(new ProcessStartInfo("kill", process.Id.ToString()) { UseShellExecute = false }))
            {
                kill.WaitForExit();
            }
            process.WaitForExit();
            process.Dispose();
        }

        private static void ComesUp(LocalMachine local)
        {
            for (int tries = 0; ; tries++)
            {
                try
                {
                    string status = local.StatusAsync().GetAwaiter().GetResult();
                    Check.True(status.Contains("\"16992\":\"listening\"") && status.Contains("\"standing\":\"unprovisioned\""), status);
                    return;
                }
                catch (AmtException)
                {
                    if (tries == 500)
                    {
                        throw;
                    }
                    Thread.Sleep(20);
                }
            }
        }

        private static void Stands(LocalMachine local, string standing)
        {
            string status = local.Status();
            Check.True(status.Contains("\"standing\":\"" + standing + "\""), "it is " + standing + ": " + status);
        }

        private static Job JobOf(LocalMachine local)
        {
            Job job = local.CreateJob();
            job.SetHostName("pc1");
            return job;
        }

        private static void Cancelled(LocalMachine local)
        {
            using (Job job = JobOf(local))
            using (Provisioning attempt = local.Activate(job, ControlMode.Client))
            {
                attempt.Cancel();
                Check.Fails(AmtCode.Cancelled, delegate { attempt.Next(TimeSpan.FromMinutes(1)); });
            }
            Stands(local, "unprovisioned");
        }

        private static void StoreThrows(LocalMachine local)
        {
            using (Job job = JobOf(local))
            using (Provisioning attempt = local.Activate(job, ControlMode.Client))
            {
                var host = new ProvisioningHost
                {
                    Store = delegate
                    {
                        Stands(local, "unprovisioned");
                        throw new IOException("the disk is full");
                    },
                };
                Check.Throws<IOException>(delegate { attempt.Run(host); });
                Check.Fails(AmtCode.Journal, delegate { attempt.Next(TimeSpan.FromMinutes(1)); });
            }
            Stands(local, "unprovisioned");
        }

        private static void Client(LocalMachine local)
        {
            using (Job job = JobOf(local))
            {
                byte[] stored = null;
                var host = new ProvisioningHost { Store = record => stored = (byte[])record.Clone() };
                job.SetAdminPassword(Secrets.From(DeviceTests.Password));
                using (Provisioning attempt = local.Activate(job, ControlMode.Client, enable: true))
                {
                    Outcome outcome = attempt.Run(host);
                    Check.Equal("client", outcome.ControlMode, "the mode");
                    Check.True(outcome.Firmware.StartsWith("16."), "the firmware: " + outcome.Firmware);
                }
                Stands(local, "client");
                using (Record record = Record.Parse(stored))
                {
                    Check.Equal(DeviceTests.Password, Secrets.Reveal(record.AdminPasswords[0]), "the password that was asked for");
                }
                using (Provisioning attempt = local.Unprovision(job))
                {
                    Check.Equal("none", attempt.Run(host).ControlMode, "the mode afterwards");
                }
            }
            Stands(local, "unprovisioned");
        }

        private static void Admin(LocalMachine local, string certificates)
        {
            byte[] stored = null;
            var host = new ProvisioningHost { Store = record => stored = (byte[])record.Clone() };
            Provisioning activation;
            using (Job job = JobOf(local))
            {
                Check.Fails(AmtCode.InvalidArgument, delegate { local.Activate(job, ControlMode.Admin); });
                using (Certificate certificate = Certificate.FromPem(File.ReadAllBytes(Path.Combine(certificates, "provisioning.pem"))))
                {
                    job.AddCertificate(certificate);
                }
                activation = local.Activate(job, ControlMode.Admin);
            }
            using (activation)
            {
                Check.Equal("admin", activation.RunAsync(host).GetAwaiter().GetResult().ControlMode, "the mode");
            }
            Stands(local, "admin");
            using (Job job = JobOf(local))
            {
                job.SetRecord(stored); // it alone knows the password
                using (Provisioning attempt = local.Unprovision(job))
                {
                    Check.Equal("none", attempt.Run(host).ControlMode, "the mode afterwards");
                }
            }
            Stands(local, "unprovisioned");
        }

        // The key is in another process alone, that of OpenSSL's program.
        private static void Elsewhere(LocalMachine local, string certificates)
        {
            string file = Path.Combine(certificates, "provisioning.pem"), pem = File.ReadAllText(file);
            const string begin = "-----BEGIN PRIVATE KEY-----", end = "-----END PRIVATE KEY-----";
            string keyless = pem.Remove(pem.IndexOf(begin), pem.IndexOf(end) + end.Length - pem.IndexOf(begin));
            byte[] stored = null;
            int signed = 0;
            var host = new ProvisioningHost { Store = record => stored = (byte[])record.Clone() };
            using (Job job = JobOf(local))
            using (Certificate certificate = Certificate.FromPem(System.Text.Encoding.ASCII.GetBytes(keyless)))
            {
                Check.Fails(AmtCode.PfxOpen, delegate { job.AddCertificate(certificate); });
                job.AddChain(certificate);
                using (Provisioning attempt = local.Activate(job, ControlMode.Admin))
                {
                    Check.Throws<InvalidOperationException>(delegate { attempt.Run(host); });
                    Check.Fails(AmtCode.Signer, delegate { attempt.Run(host); });
                }
                Stands(local, "unprovisioned");
                host.Sign = delegate(SigningRequest request)
                {
                    signed++;
                    Check.Equal(0, request.Certificate, "which certificate");
                    return Signature(certificates, file, request.Data);
                };
                using (Provisioning attempt = local.Activate(job, ControlMode.Admin))
                {
                    Check.Equal("admin", attempt.Run(host).ControlMode, "the mode");
                }
                Check.True(signed > 0, "something was signed");
                Stands(local, "admin");
                job.SetRecord(stored);
                using (Provisioning attempt = local.Unprovision(job))
                {
                    attempt.Run(host);
                }
            }
            Stands(local, "unprovisioned");
        }

        internal static byte[] Signature(string folder, string key, byte[] data)
        {
            string input = Path.Combine(folder, "nonce"), output = Path.Combine(folder, "signature");
            File.WriteAllBytes(input, data);
            var start = new ProcessStartInfo("openssl", "dgst -sha256 -sign " + key + " -out " + output + " " + input) { UseShellExecute = false };
            using (Process openssl = Process.Start(start))
            {
                openssl.WaitForExit();
                Check.Equal(0, openssl.ExitCode, "OpenSSL's end");
            }
            return File.ReadAllBytes(output);
        }

        private static void BusyAndCancel(LocalMachine local)
        {
            Task<AmtCode> asking = Task.Run(delegate { return AskForEver(local); });
            bool busy = false;
            for (int tries = 0; tries < 10000 && !busy; tries++)
            {
                Thread.Sleep(1);
                try
                {
                    local.SetRoute(LocalRoute.Lme);
                }
                catch (AmtException error)
                {
                    busy = error.Code == AmtCode.Busy;
                }
            }
            Check.True(busy, "a second thread is told busy");
            local.Cancel();
            Check.True(asking.Wait(10000), "the asking thread comes back");
            Check.Equal(AmtCode.Cancelled, asking.Result, "what it is told");
        }

        // Until it fails with something else than busy.
        private static AmtCode AskForEver(LocalMachine local)
        {
            for (;;)
            {
                try
                {
                    local.Status();
                }
                catch (AmtException error)
                {
                    if (error.Code != AmtCode.Busy)
                    {
                        return error.Code;
                    }
                }
            }
        }

        private static void Misuse()
        {
            var local = new LocalMachine();
            Check.Fails(AmtCode.InvalidArgument, delegate { local.SetRoute((LocalRoute)3); });
            Check.Fails(AmtCode.InvalidArgument, delegate { local.TrustPin(new byte[31]); });
            Check.Throws<ArgumentNullException>(delegate { local.TrustPin(null); });
            Check.Throws<ArgumentNullException>(delegate { local.SetDevice(null); });
            local.TrustPin(new byte[32]);
            local.SetDevice("/nonexistent/mei0");
            Check.Fails(AmtCode.MeiAbsent, delegate { local.Status(); });
            Check.Fails(AmtCode.MeiAbsent, delegate { local.CreateJob(); });
            using (var job = new Job(Guid.NewGuid(), IPAddress.Loopback))
            {
                Check.Fails(AmtCode.InvalidArgument, delegate { local.Activate(job, 0); });
                Check.Fails(AmtCode.InvalidArgument, delegate { local.Unprovision(job, (UnprovisionExtent)2); });
                Check.Throws<ArgumentNullException>(delegate { local.Activate(null, ControlMode.Client); });
                Check.Throws<ArgumentNullException>(delegate { local.Unprovision(null); });
            }
            using (var source = new CancellationTokenSource())
            {
                source.Cancel();
                Check.Throws<AggregateException>(delegate { local.StatusAsync(source.Token).Wait(); });
            }
            Check.Fails(AmtCode.MeiAbsent, delegate { local.Status(); });
            local.Cancel();
            Check.Fails(AmtCode.Cancelled, delegate { local.Status(); });
            local.Dispose();
            local.Dispose();
            Check.Throws<ObjectDisposedException>(delegate { local.Status(); });
        }
    }
}
