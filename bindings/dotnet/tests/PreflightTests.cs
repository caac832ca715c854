using System.Collections.Generic;
using System.Linq;
using Amt;

namespace AmtTests
{
    internal static class PreflightTests
    {
        internal static void All()
        {
            Program.Test("preflight: findings follow what is known of the machine", Known);
            Program.Test("preflight: PEM with the key in a file of its own, and without", Pem);
            Program.Test("preflight: what cannot be opened or asked is refused", Refused);
        }

        internal static Certificate Chain()
        {
            return Certificate.FromPfx(Check.TestFile("chain.pfx"), "Provision.1");
        }

        private static void Known()
        {
            using (Certificate certificate = Chain())
            using (Hello stranger = Hello.Parse(HelloTests.Pki()))
            {
                Codes(certificate.Preflight(suffix: "example.com", firmware: "16.0"));
                Codes(certificate.Preflight());
                // What PowerShell gives for parameters that were left out.
                Codes(certificate.Preflight(null, "", "", true, false), "NO-SUFFIX");
                Codes(certificate.Preflight(stranger, "other.org"), "ROOT-NOHASH", "CN-SUFFIX");
                Codes(certificate.Preflight(noSuffix: true), "NO-SUFFIX");
            }
        }

        private static void Codes(IReadOnlyList<Finding> findings, params string[] codes)
        {
            Check.Equal(string.Join(" ", codes), string.Join(" ", findings.Select(finding => finding.Code)), "the findings");
            foreach (Finding finding in findings)
            {
                Check.True(finding.Severity >= Severity.Info && finding.Severity <= Severity.Error, "the severity");
                Check.True(finding.Field.Length > 0 && finding.Message.Length > 0 && finding.Hint.Length > 0, "every part");
            }
        }

        private static void Pem()
        {
            using (Certificate certificate = Certificate.FromPem(Check.TestFile("chain.pem"), Check.TestFile("key.pem"), Secrets.From("")))
            {
                Codes(certificate.Preflight(suffix: "example.com"));
            }
            using (Certificate certificate = Certificate.FromPem(Check.TestFile("chain.pem")))
            {
                Codes(certificate.Preflight(), "CHAIN-NOKEY");
            }
        }

        private static void Refused()
        {
            byte[] pfx = Check.TestFile("chain.pfx");
            Check.Fails(AmtCode.PfxOpen, delegate { Certificate.FromPfx(pfx, "wrong"); });
            Check.Fails(AmtCode.CertificateParse, delegate { Certificate.FromPem(pfx); });
            Check.Fails(AmtCode.CertificateParse, delegate { Certificate.FromPfx(Check.TestFile("chain.pem"), ""); });
            using (Certificate certificate = Certificate.FromPfx(pfx, Secrets.From("Provision.1")))
            {
                Check.Fails(AmtCode.InvalidArgument, delegate { certificate.Preflight(suffix: "example.com", noSuffix: true); });
                Check.Fails(AmtCode.ParseText, delegate { certificate.Preflight(firmware: "new"); });
            }
        }
    }
}
