using System;
using System.Diagnostics;
using System.IO;
using Amt;

namespace AmtTests
{
    // A machine that was set up and has mutual TLS since: set up once more, with the console's certificate and without.
    internal static class MutualTests
    {
        private const string Profile = "format = 1\nname = \"desk\"\n[tls]\nremote = \"mutual\"\ntrusted_roots = [{ file = \"root.pem\" }]\n";

        internal static void All()
        {
            string folder = Path.Combine(Path.GetTempPath(), "amt-net-" + Guid.NewGuid());
            Directory.CreateDirectory(folder);
            try
            {
                using (var machine = new VirtualMachine("127.74.0.6"))
                {
                    ProvisionTests.Provisioned(machine, folder, DeviceTests.Password);
                    using (Certificate console = Console(folder))
                    {
                        Program.Test("mutual TLS: the console's certificate is shown to a device", delegate { Shown(machine, folder, console); });
                        Program.Test("mutual TLS: a setup that is gone on with, or begun anew", delegate { Again(machine, folder, console); });
                    }
                }
            }
            finally
            {
                Directory.Delete(folder, true);
            }
        }

        private static void Shown(VirtualMachine machine, string folder, Certificate console)
        {
            byte[] roots = File.ReadAllBytes(Path.Combine(folder, "ca.pem"));
            using (Device device = DeviceTests.Trusting(machine, roots))
            {
                Check.Throws<ArgumentNullException>(delegate { device.SetClientCertificate(null); });
                device.SetClientCertificate(console);
                using (Provisioning attempt = device.Configure(Profile, folder))
                {
                    string done = attempt.Run(new ProvisioningHost { Store = delegate { } }).Result;
                    Check.True(done.Contains("\"tls.remote\""), done);
                }
                Check.True(device.Get("AMT_GeneralSettings").Contains("pc1"), "its settings");
            }
            using (Device device = DeviceTests.Trusting(machine, roots))
            {
                Check.Fails(AmtCode.TlsChainRefused, delegate { device.Get("AMT_GeneralSettings"); });
            }
        }

        private static void Again(VirtualMachine machine, string folder, Certificate console)
        {
            // Found done, it is proven; begun anew, it is told what the machine is. Without the certificate nobody can know.
            Check.Equal("admin", SetUp(machine, folder, true, console), "the mode");
            Check.Fails(AmtCode.AlreadyProvisioned, delegate { SetUp(machine, folder, false, console); });
            Check.Fails(AmtCode.TlsChainRefused, delegate { SetUp(machine, folder, true, null); });
            Check.Fails(AmtCode.TlsChainRefused, delegate { SetUp(machine, folder, false, null); });
        }

        // The mode in which the setup ends that is gone on with from the machine's journal, or begun anew, where this certificate is shown.
        private static string SetUp(VirtualMachine machine, string folder, bool isResumed, Certificate shown)
        {
            using (Job job = ProvisionTests.JobFor(machine, folder))
            {
                if (isResumed)
                {
                    job.SetJournalFile(Path.Combine(folder, "machine.db"), Path.Combine(folder, "machine.key"));
                }
                using (Certificate keyless = Certificate.FromPem(Check.TestFile("chain.pem")))
                {
                    Check.Fails(AmtCode.PfxOpen, delegate { job.SetClientCertificate(keyless); });
                }
                Check.Throws<ArgumentNullException>(delegate { job.SetClientCertificate(null); });
                if (shown != null)
                {
                    job.SetClientCertificate(shown);
                }
                using (Provisioning attempt = job.Start())
                {
                    return attempt.Run(new ProvisioningHost { Store = delegate { } }).ControlMode;
                }
            }
        }

        // A certificate as a console has it; the root that issued it is root.pem in the folder.
        private static Certificate Console(string folder)
        {
            string root = Path.Combine(folder, "root"), own = Path.Combine(folder, "console");
            const string made = "req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=";
            OpenSsl(made + "Consoles -keyout " + root + ".key -out " + root + ".pem");
            OpenSsl(made + "console.example.com -keyout " + own + ".key -out " + own + ".pem -CA " + root + ".pem -CAkey " + root + ".key"
                + " -addext basicConstraints=CA:FALSE -addext extendedKeyUsage=clientAuth,2.16.840.1.113741.1.2.1");
            return Certificate.FromPem(File.ReadAllBytes(own + ".pem"), File.ReadAllBytes(own + ".key"));
        }

        private static void OpenSsl(string arguments)
        {
            var start = new ProcessStartInfo("openssl", arguments) { UseShellExecute = false, RedirectStandardError = true };
            using (Process openssl = Process.Start(start))
            {
                string said = openssl.StandardError.ReadToEnd();
                openssl.WaitForExit();
                Check.Equal(0, openssl.ExitCode, "OpenSSL's end: " + said);
            }
        }
    }
}
