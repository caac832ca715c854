// A machine from setup mode to admin control mode; Control-C stops it, and the next run goes on from the journal.
// Provision.exe UUID ADDRESS PFX FOLDER, the PFX's password in AMT_PFX_PASSWORD, the one that admin gets in AMT_PASSWORD (none: one is
// generated); journal and authority are files in FOLDER
using System;
using System.IO;
using System.Net;
using System.Threading;
using Amt;

internal static class ProvisionExample
{
    private static int Main(string[] arguments)
    {
        string password = Environment.GetEnvironmentVariable("AMT_PFX_PASSWORD");
        string admin = Environment.GetEnvironmentVariable("AMT_PASSWORD");
        var stop = new CancellationTokenSource();
        Console.CancelKeyPress += delegate(object sender, ConsoleCancelEventArgs pressed)
        {
            pressed.Cancel = true;
            stop.Cancel();
        };
        try
        {
            using (Certificate certificate = Certificate.FromPfx(File.ReadAllBytes(arguments[2]), password))
            using (var job = new Job(new Guid(arguments[0]), IPAddress.Parse(arguments[1])))
            {
                job.AddCertificate(certificate);
                job.SetSuffix("example.com");
                job.SetHostName("pc1");
                job.SetDomainName("example.com");
                job.SetAdminPassword(new NetworkCredential("", admin).SecurePassword);
                job.SetJournalFile(Path.Combine(arguments[3], "journal.db"), Path.Combine(arguments[3], "journal.key"));
                job.SetAuthorityFiles(Path.Combine(arguments[3], "ca.pem"), Path.Combine(arguments[3], "ca.key"));
                using (Provisioning attempt = job.Start())
                {
                    var host = new ProvisioningHost { Progress = Console.WriteLine };
                    Outcome outcome = attempt.RunAsync(host, stop.Token).GetAwaiter().GetResult();
                    Console.WriteLine("{0} control mode over {1}", outcome.ControlMode, outcome.TlsVersion);
                }
            }
            return 0;
        }
        catch (OperationCanceledException)
        {
            Console.Error.WriteLine("stopped; what was stored stays");
            return 1;
        }
        catch (AmtException error)
        {
            Console.Error.WriteLine("{0} at {1}: {2}\n{3}", error.Name, error.Stage, error.Message, error.Hint);
            return 1;
        }
    }
}
