using System;
using System.Linq;
using System.Text;
using Amt;

namespace AmtTests
{
    // Files for the stick, pre-shared pairs, and what a firmware can do.
    internal static class SetupBinTests
    {
        private const string Password = "Password.1";

        internal static void All()
        {
            Program.Test("psk: a pair is made, shown and read as people type it", Pairs);
            Program.Test("psk: what no firmware accepts is refused, and the PPS is not repeated", WrongPairs);
            Program.Test("setup.bin: made of JSON, read, and rebuilt to the byte", RoundTrip);
            Program.Test("setup.bin: secrets come out when they are asked for", Secret);
            Program.Test("setup.bin: rubbish and halves are refused", Rubbish);
            Program.Test("capabilities: of a version, and of none", Versions);
        }

        private static void Pairs()
        {
            using (Psk made = Psk.Generate())
            {
                string typed = Secrets.Reveal(made.GetPps(true));
                Check.Equal(39, typed.Length, "the PPS with dashes");
                Check.True(!made.ToString().Contains(Secrets.Reveal(made.GetPps())), "ToString has no PPS");
                using (Psk read = Psk.Parse(made.Pid.ToLowerInvariant(), Secrets.From(typed)))
                {
                    Check.Equal(made.Pid, read.Pid, "the PID");
                    Check.Equal(Secrets.Reveal(made.GetPps()), Secrets.Reveal(read.GetPps()), "the PPS");
                }
                Check.Fails(AmtCode.PskInvalid, delegate { Psk.Parse(made.Pid, Secrets.From(typed), PskForm.Strict); });
                using (Psk named = Psk.Generate(made.Pid))
                {
                    Check.Equal(made.Pid, named.Pid, "the name given");
                    Check.True(Secrets.Reveal(named.GetPps()) != Secrets.Reveal(made.GetPps()), "another PPS");
                }
            }
        }

        private static void WrongPairs()
        {
            const string wrong = "AAAA-BBBB-CCCC-DDDD-EEEE-FFFF-GGGG-HHHX";
            AmtException error = Check.Fails(AmtCode.PskInvalid, delegate { Psk.Parse("AAAA-BBBB", Secrets.From(wrong)); });
            Check.True(!error.ToString().Contains("HHHX"), "the message has no PPS: " + error.Message);
            Check.Throws<ArgumentNullException>(delegate { Psk.Parse(null, Secrets.From(wrong)); });
            Check.Throws<ArgumentNullException>(delegate { Psk.Parse("AAAA-BBBB", null); });
        }

        private static SetupBin Made()
        {
            return SetupBin.FromJson(
                "{\"records\": [{\"entries\": {\"current_password\": \"admin\", \"new_password\": \"" + Password + "\"}}]}");
        }

        private static void RoundTrip()
        {
            using (SetupBin made = Made())
            {
                byte[] file = made.ToArray();
                Check.True(file.Length > 512 && file.Length % 512 == 0, "blocks of 512 bytes: " + file.Length);
                Check.True(SetupBin.Lint(file).All(finding => finding.Severity < Severity.Error), "no error in it");
                using (SetupBin read = SetupBin.Parse(file))
                using (SetupBin again = SetupBin.FromJson(read.ToJson(true)))
                {
                    Check.True(again.ToArray().SequenceEqual(file), "the same bytes");
                }
            }
            Check.True(SetupBin.Variables().Contains("\"new_password\""), "variables are listed");
        }

        private static void Secret()
        {
            using (SetupBin made = Made())
            {
                Check.True(!made.ToJson().Contains(Password), "no password");
                Check.True(made.ToJson(true).Contains(Password), "the password");
                Check.True(!made.ToString().Contains(Password), "ToString has no password");
            }
        }

        private static void Rubbish()
        {
            Check.Fails(AmtCode.SetupBin, delegate { SetupBin.Parse(Encoding.ASCII.GetBytes("no setup.bin")); });
            Check.Fails(AmtCode.SetupBin, delegate { SetupBin.Parse(new byte[0]); });
            AmtException error = Check.Fails(
                AmtCode.SetupBin, delegate { SetupBin.FromJson("{\"records\": [{\"entries\": {\"no_such\": \"" + Password + "\"}}]}"); });
            Check.True(!error.Message.Contains(Password), "no value is repeated: " + error.Message);
            using (SetupBin made = Made())
            {
                byte[] half = made.ToArray().Take(700).ToArray();
                Check.True(SetupBin.Lint(half).Any(finding => finding.Severity == Severity.Error), "half of it has an error");
                made.Dispose();
                Check.Throws<ObjectDisposedException>(delegate { made.ToArray(); });
            }
            Check.Throws<ArgumentNullException>(delegate { SetupBin.Parse(null); });
            Check.Throws<ArgumentNullException>(delegate { SetupBin.FromJson(null); });
        }

        private static void Versions()
        {
            Check.True(Capabilities.Of("16.1").Contains("\"version\":\"16.1"), Capabilities.Of("16.1"));
            Check.Fails(AmtCode.ParseText, delegate { Capabilities.Of("sixteen"); });
            Check.Throws<ArgumentNullException>(delegate { Capabilities.Of(null); });
        }
    }
}
