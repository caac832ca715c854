using System;
using System.Diagnostics;
using System.IO;
using System.Linq;
using Amt;

namespace AmtTests
{
    // The programs of examples/csharp as their readers run them.
    internal static class ExampleTests
    {
        internal static void All()
        {
            string folder = Path.Combine(Path.GetTempPath(), "amt-examples-" + Guid.NewGuid());
            Directory.CreateDirectory(folder);
            try
            {
                string hello = Path.Combine(folder, "hello.bin");
                File.WriteAllBytes(hello, HelloTests.Pki());
                Program.Test("example: hello", delegate
                {
                    string output = Run("Hello.exe", 0, hello);
                    Check.True(output.Contains("00112233-4455-6677-8899-aabbccddeeff") && output.Contains("SHA-256 a2a2"), output);
                });
                string pfx = Path.Combine(Check.Root, "testdata/provisioning/chain.pfx");
                Program.Test("example: preflight", delegate
                {
                    Check.True(Run("Preflight.exe", 0, pfx, "example.com").Contains("fits"), "it fits");
                    Check.True(Run("Preflight.exe", 1, pfx, "other.org").Contains("CN-SUFFIX"), "it does not fit");
                });
                using (var machine = new VirtualMachine("127.75.0.1"))
                {
                    Program.Test("example: provision", delegate
                    {
                        string output = Run("Provision.exe", 0, machine.Uuid.ToString(), machine.Address.ToString(), pfx, folder);
                        Check.True(output.Contains("admin control mode"), output);
                        Check.True(machine.Says("\"control_mode\":\"admin\""), "the firmware says so too");
                    });
                    Program.Test("example: wsman", delegate
                    {
                        string authority = Path.Combine(folder, "ca.pem");
                        string output = Run("Wsman.exe", 0, machine.Address.ToString(), authority, "pc1.example.com");
                        Check.True(output.Contains("\"PingResponseEnabled\":\"false\""), output);
                    });
                }
                Program.Test("example: setup.bin", delegate
                {
                    string file = Path.Combine(folder, "setup.bin");
                    Check.True(Run("SetupBin.exe", 0, file).Contains("bytes, PID "), "it names the PID");
                    Check.True(SetupBin.Lint(File.ReadAllBytes(file)).All(finding => finding.Severity < Severity.Error), "no error in it");
                });
            }
            finally
            {
                Directory.Delete(folder, true);
            }
        }

        private static string Run(string program, int status, params string[] arguments)
        {
            string path = Path.Combine(AppDomain.CurrentDomain.BaseDirectory, program);
            var start = new ProcessStartInfo("mono", "\"" + path + "\" \"" + string.Join("\" \"", arguments) + "\"")
            {
                UseShellExecute = false,
                RedirectStandardOutput = true,
            };
            start.EnvironmentVariables["AMT_PFX_PASSWORD"] = "Provision.1";
            start.EnvironmentVariables["AMT_PASSWORD"] = "Password.1";
            using (Process process = Process.Start(start))
            {
                string output = process.StandardOutput.ReadToEnd();
                process.WaitForExit();
                Check.Equal(status, process.ExitCode, "the exit status of " + program + " after: " + output);
                return output;
            }
        }
    }
}
