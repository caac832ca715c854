using System;
using System.IO;
using System.Linq;
using System.Threading;
using System.Threading.Tasks;
using Amt;

namespace AmtTests
{
    // A fleet's database and its setup server: a virtual machine says hello and is taken to proven admin control mode.
    internal static class FleetTests
    {
        internal static void All()
        {
            string folder = Path.Combine(Path.GetTempPath(), "amt-net-" + Guid.NewGuid());
            Directory.CreateDirectory(folder);
            try
            {
                Program.Test("fleet: a machine that says hello is provisioned, and known ever after", delegate { Served(folder); });
                Program.Test("fleet: what an agent says and what the host decides let a machine in", delegate { Decided(folder); });
                Program.Test("fleet: a key that is elsewhere signs for the server", delegate { Elsewhere(folder); });
                Program.Test("fleet: mistakes are told", delegate { Mistakes(folder); });
            }
            finally
            {
                Directory.Delete(folder, true);
            }
        }

        private static string Config(string folder, string more = "", string admit = "auto")
        {
            string path = Path.Combine(folder, "amt.toml");
            File.WriteAllText(Path.Combine(folder, "pfx-password"), "Provision.1");
            File.WriteAllText(path, string.Join("\n", new[]
            {
                "listen = \"127.0.0.1:0\"", "database = \"unused.db\"", "seal_key_file = \"unused.key\"",
                "dns_suffixes = [\"example.com\"]", "admit = \"" + admit + "\"", "[[provisioning_certificate]]",
                "pfx = \"" + Path.Combine(Check.Root, "testdata/provisioning/chain.pfx") + "\"", "password_file = \"pfx-password\"", more,
            }));
            return path;
        }

        private static void Served(string folder)
        {
            string database = Path.Combine(folder, "fleet.db");
            Guid uuid;
            using (var stop = new CancellationTokenSource())
            using (var verified = new ManualResetEventSlim())
            using (var fleet = new Fleet(database))
            using (var server = new SetupServer(fleet, Config(folder)))
            using (var machine = new VirtualMachine("127.76.0.2", server.Addresses[0]))
            {
                uuid = machine.Uuid;
                Task serving = server.RunAsync(
                    delegate(string happened)
                    {
                        if (happened.Contains("\"event\":\"verified\""))
                        {
                            verified.Set();
                        }
                    },
                    stop.Token);
                Check.True(verified.Wait(TimeSpan.FromMinutes(1)), "it is verified");
                Check.True(machine.Says("\"control_mode\":\"admin\""), "the firmware says so too");

                // While it serves, the fleet is asked.
                Check.True(fleet.GetMachines("verified and version >= 16", "-hello").Contains(uuid.ToString()), "it is listed");
                Check.Equal("[]", fleet.GetMachines("not verified"), "the others");
                Check.True(fleet.GetMachine(uuid).Contains(machine.Address.ToString()), "its address");
                Check.True(fleet.GetDiary(uuid, 5).Contains("{"), "its diary");
                Credential admin = fleet.GetCredentials(uuid).First(credential => credential.Kind == "admin");
                Check.True(machine.HasAdminPassword(Secrets.Reveal(admin.Password)), "the password opens it");
                Check.Equal("admin", admin.Account, "the account");
                const string says = "{\"fqdn\": \"pc1.example.com\", \"label\": [\"desk\"]}";
                Check.True(fleet.Report(uuid, "operator", says), "that is new");
                Check.True(!fleet.Report(uuid, "operator", says), "that is not");
                Check.True(fleet.GetFacts(uuid).Contains("pc1.example.com"), "what was said");

                stop.Cancel();
                Check.True(serving.Wait(TimeSpan.FromMinutes(1)), "it ends in good order");
            }
            using (var fleet = new Fleet(database))
            {
                Check.True(fleet.GetMachines("verified").Contains(uuid.ToString()), "known ever after");
            }
        }

        private static void Decided(string folder)
        {
            int asked = 0;
            string parked = null;
            using (var stop = new CancellationTokenSource())
            using (var verified = new ManualResetEventSlim())
            using (var fleet = new Fleet(Path.Combine(folder, "decided.db")))
            using (var server = new SetupServer(fleet, Config(folder, admit: "known")))
            using (var machine = new VirtualMachine("127.76.0.3", server.Addresses[0]))
            {
                Check.True(fleet.Enroll(machine.Uuid, "{\"serial\": \"ABC-7\", \"environment\": \"live\"}", "console"), "that is new");
                Check.True(!fleet.Enroll(machine.Uuid, "{\"serial\": \"ABC-7\", \"environment\": \"live\"}", "console"), "that is not");
                Check.Fails(AmtCode.ParseText, delegate { fleet.Enroll(machine.Uuid, "{\"profile\": \"x\"}", "console"); });
                Check.True(server.NextQuestion() == null, "there is no question");
                server.AskHost(TimeSpan.FromMinutes(1));
                server.Resolver = delegate(string about)
                {
                    asked++;
                    Check.True(about.Contains("ABC-7") && about.Contains(machine.Uuid.ToString()), "what is known: " + about);
                    if (asked == 1)
                    {
                        throw new InvalidOperationException("the inventory is down");
                    }
                    return asked == 2 ? "no answer" : "{\"entry\": \"admit\", \"name\": \"pc8.example.com\"}";
                };
                Task serving = server.RunAsync(
                    delegate(string happened)
                    {
                        if (happened.Contains("\"event\":\"parked\""))
                        {
                            parked += happened;
                        }
                        if (happened.Contains("\"event\":\"verified\""))
                        {
                            verified.Set();
                        }
                    },
                    stop.Token);
                Check.True(verified.Wait(TimeSpan.FromMinutes(1)), "it is verified");
                Check.True(parked.Contains("the inventory is down") && parked.Contains("answer: "), "why it waited: " + parked);
                Check.True(fleet.GetMachines("verified").Contains("pc8.example.com"), "its name");
                stop.Cancel();
                Check.True(serving.Wait(TimeSpan.FromMinutes(1)), "it ends in good order");
                Check.Throws<ArgumentNullException>(delegate { server.Answer(null, "{}"); });
            }
        }

        // The key is in another process alone, that of OpenSSL's program.
        private static void Elsewhere(string folder)
        {
            string config = Path.Combine(folder, "bare.toml"), key = Path.Combine(folder, "elsewhere.pem"), failed = null;
            File.WriteAllText(config, string.Join("\n", new[]
            {
                "listen = \"127.0.0.1:0\"", "database = \"unused.db\"", "seal_key_file = \"unused.key\"",
                "dns_suffixes = [\"example.com\"]", "admit = \"auto\"", "[retry]", "first = \"1s\"", string.Empty,
            }));
            File.WriteAllBytes(key, Check.TestFile("key.pem"));
            using (var fleet = new Fleet(Path.Combine(folder, "bare.db")))
            {
                using (var server = new SetupServer(fleet, config))
                {
                    Check.Fails(AmtCode.Config, delegate { server.Next(TimeSpan.Zero); });
                }
                using (var stop = new CancellationTokenSource())
                using (var verified = new ManualResetEventSlim())
                using (var server = new SetupServer(fleet, config))
                using (Certificate chain = Certificate.FromPem(Check.TestFile("chain.pem")))
                using (var machine = new VirtualMachine("127.76.0.4", server.Addresses[0]))
                {
                    int asked = 0;
                    server.AddChain(chain);
                    Check.True(server.NextSignature() == null, "none is needed");
                    server.Signer = delegate(SigningRequest request)
                    {
                        Check.Equal(0, request.Certificate, "which certificate");
                        if (asked++ == 0)
                        {
                            throw new IOException("the module is locked");
                        }
                        return LocalTests.Signature(folder, key, request.Data);
                    };
                    Task serving = server.RunAsync(
                        delegate(string happened)
                        {
                            if (happened.Contains("\"event\":\"failed\""))
                            {
                                failed += happened;
                            }
                            if (happened.Contains("\"event\":\"verified\""))
                            {
                                verified.Set();
                            }
                        },
                        stop.Token);
                    Check.True(verified.Wait(TimeSpan.FromMinutes(1)), "it is verified");
                    Check.True(failed.Contains("the module is locked") && failed.Contains("SIGNER"), "why it waited: " + failed);
                    Check.True(asked > 1 && machine.Says("\"control_mode\":\"admin\""), "the firmware says so too");
                    stop.Cancel();
                    Check.True(serving.Wait(TimeSpan.FromMinutes(1)), "it ends in good order");
                    Check.Throws<ArgumentNullException>(delegate { server.AddChain(null); });
                    Check.Throws<ArgumentNullException>(delegate { server.Sign(null, new byte[256]); });
                    Check.Throws<ArgumentNullException>(delegate { server.SignFailed(null, "x"); });
                    Check.Fails(AmtCode.InvalidArgument, delegate { server.AddChain(chain); });
                }
            }
        }

        private static void Mistakes(string folder)
        {
            Check.Throws<ArgumentNullException>(delegate { new Fleet(null); });
            Check.Fails(AmtCode.SealKey, delegate { new Fleet("/nowhere/at/all.db"); });
            using (var fleet = new Fleet(Path.Combine(folder, "other.db")))
            {
                Check.Fails(AmtCode.Filter, delegate { fleet.GetMachines("version >="); });
                Check.Fails(AmtCode.MachineUnknown, delegate { fleet.GetMachine(Guid.NewGuid()); });
                Check.Fails(AmtCode.ParseText, delegate { fleet.Report(Guid.NewGuid(), "rumour", "{}"); });
                Check.Fails(AmtCode.Config, delegate { new SetupServer(fleet, Config(folder, "no_such_thing = 1")); });
                using (var server = new SetupServer(fleet, Config(folder, string.Empty)))
                {
                    Check.Equal(0, server.IntakeAddresses.Length, "no intake");
                    Check.Equal(string.Empty, server.IntakePin, "no pin");
                }
                using (var server = new SetupServer(fleet, Config(folder, "[intake]\nlisten = \"127.0.0.1:0\"")))
                {
                    Check.True(server.IntakeAddresses[0].StartsWith("127.0.0.1:") && server.IntakePin.Length == 64, "an intake");
                }
                using (EnrolmentToken token = fleet.NewToken(uses: 2, note: "floor 3"))
                {
                    Check.True(token.Number > 0 && token.Text.Length > 30, "a token");
                    fleet.RevokeToken(token.Number);
                }
                Check.Fails(AmtCode.InvalidArgument, delegate { fleet.NewToken(uses: 2, uuid: Guid.NewGuid()); });
                Check.Fails(AmtCode.InvalidArgument, delegate { fleet.RevokeToken(4711); });
                Check.Throws<ArgumentOutOfRangeException>(delegate { fleet.NewToken(uses: -1); });
                Check.Fails(AmtCode.FileRead, delegate { new SetupServer(fleet, Path.Combine(folder, "none.toml")); });
                Check.Throws<ArgumentNullException>(delegate { new SetupServer(null, "amt.toml"); });
                fleet.Dispose();
                Check.Throws<ObjectDisposedException>(delegate { fleet.GetMachines(); });
            }
        }
    }
}
