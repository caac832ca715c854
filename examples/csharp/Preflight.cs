// Will this certificate provision machines of that network? Preflight.exe PFX SUFFIX, its password in AMT_PFX_PASSWORD
using System;
using System.IO;
using System.Linq;
using Amt;

internal static class PreflightExample
{
    private static int Main(string[] arguments)
    {
        string password = Environment.GetEnvironmentVariable("AMT_PFX_PASSWORD");
        try
        {
            using (Certificate certificate = Certificate.FromPfx(File.ReadAllBytes(arguments[0]), password))
            {
                var findings = certificate.Preflight(suffix: arguments[1]);
                foreach (Finding finding in findings)
                {
                    Console.WriteLine("{0}\n  {1}", finding, finding.Hint);
                }
                bool fits = findings.All(finding => finding.Severity < Severity.Error);
                Console.WriteLine(fits ? "the certificate fits" : "the certificate does not fit");
                return fits ? 0 : 1;
            }
        }
        catch (AmtException error)
        {
            Console.Error.WriteLine("{0} at {1}: {2}\n{3}", error.Name, error.Stage, error.Message, error.Hint);
            return 1;
        }
    }
}
