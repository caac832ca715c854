using System;
using System.Linq;
using System.Net;
using System.Net.Sockets;
using System.Threading;
using System.Threading.Tasks;
using Amt;

namespace AmtTests
{
    internal static class MisuseTests
    {
        private const int Threads = 8;
        private const int Calls = 1000;

        internal static void All()
        {
            Program.Test("misuse: what was freed says so, and may be freed again", Freed);
            Program.Test("misuse: freed in any order, and never", AnyOrder);
            Program.Test("misuse: settings are checked when they are given", Settings);
            Program.Test("misuse: text that is no text is refused", HalfCharacters);
            Program.Test("misuse: 8 threads, 1,000 mixed calls each", Mixed);
            Program.Test("misuse: a second thread is told busy, and may cancel", BusyAndCancel);
            Program.Test("misuse: a token cancels a task that waits", Token);
        }

        private static void Freed()
        {
            Hello hello = Hello.Parse(HelloTests.Pki());
            hello.Dispose();
            hello.Dispose();
            Check.Throws<ObjectDisposedException>(delegate { hello.Uuid.ToString(); });
            using (Job job = new Job(Guid.NewGuid(), IPAddress.Loopback))
            {
                Check.Throws<ObjectDisposedException>(delegate { job.SetHello(hello); });
                Check.Throws<ArgumentNullException>(delegate { job.SetHello(null); });
                Check.Throws<ArgumentNullException>(delegate { job.SetAdminPassword(null); });
            }
        }

        private static void AnyOrder()
        {
            var job = new Job(Guid.NewGuid(), IPAddress.Loopback);
            Certificate certificate = PreflightTests.Chain();
            job.AddCertificate(certificate);
            certificate.Dispose();
            Provisioning attempt = job.Start();
            job.Dispose();
            attempt.Dispose();
            for (int index = 0; index < 200; index++)
            {
                Hello.Parse(HelloTests.Pki());
                PreflightTests.Chain();
            }
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }

        private static void Settings()
        {
            const string pid = "AMT1-SET7", pps = "CAT0-AGDO-YBLF-6HCD-QR61-IQXQ-VORV-W8VD";
            using (var job = new Job(Guid.NewGuid(), IPAddress.Loopback))
            {
                Check.Fails(AmtCode.PskInvalid, delegate { job.AddPsk(pid.Substring(1), Secrets.From(pps)); });
                Check.Fails(AmtCode.PskInvalid, delegate { job.AddPsk(pid, Secrets.From(pps.Substring(1))); });
                Check.Fails(AmtCode.InvalidArgument, delegate { job.SetLegacyTls((LegacyTls)7); });
                Check.Throws<ArgumentOutOfRangeException>(delegate { job.SetPort(65536); });
                Check.Fails(AmtCode.Journal, delegate { Record.Parse(new byte[] { 1, 2, 3 }); });
                job.AddPsk(pid, Secrets.From(pps));
                job.SetLegacyTls(LegacyTls.Allow);
            }
        }

        private static void HalfCharacters()
        {
            using (var job = new Job(Guid.NewGuid(), IPAddress.Loopback))
            {
                Check.Throws<ArgumentException>(delegate { job.SetHostName("pc\ud800"); });
            }
        }

        private static void Mixed()
        {
            byte[] wire = HelloTests.Pki();
            var errors = new System.Collections.Concurrent.ConcurrentQueue<Exception>();
            Thread[] threads = Enumerable.Range(0, Threads).Select(number => new Thread((ThreadStart)delegate
            {
                try
                {
                    for (int call = 0; call < Calls; call++)
                    {
                        OneOf(call, wire);
                    }
                }
                catch (Exception error)
                {
                    errors.Enqueue(error);
                }
            })).ToArray();
            Array.ForEach(threads, thread => thread.Start());
            Array.ForEach(threads, thread => thread.Join());
            Check.True(errors.IsEmpty, string.Join("; ", errors));
        }

        private static void OneOf(int call, byte[] wire)
        {
            switch (call % 4)
            {
                case 0:
                    using (Hello hello = Hello.Parse(wire))
                    {
                        Check.Equal(3, hello.Roots.Count, "roots");
                    }
                    break;
                case 1:
                    Check.Fails(AmtCode.DecodeTruncated, delegate { Hello.Parse(wire.Take(call % wire.Length).ToArray()); });
                    break;
                case 2:
                    using (var job = new Job(Guid.NewGuid(), IPAddress.Loopback))
                    {
                        job.SetHostName("pc" + call);
                        job.SetAdminPassword(Secrets.From("P@ssw0rd" + call));
                    }
                    break;
                default:
                    // Left to the finaliser, whose thread is another one.
                    Check.Equal(HelloKind.Pki, Hello.Parse(wire).Kind, "the kind");
                    break;
            }
        }

        // A listener that never answers keeps the attempt waiting in its TLS handshake.
        private static void BusyAndCancel()
        {
            Silent(delegate(Provisioning attempt)
            {
                Task<Exception> waiting = Task.Run(delegate { return Ending(attempt); });
                AmtException busy = null;
                for (int tries = 0; tries < 1000 && busy == null; tries++)
                {
                    Thread.Sleep(10);
                    try
                    {
                        attempt.Persisted();
                    }
                    catch (AmtException error)
                    {
                        busy = error.Code == AmtCode.Busy ? error : null;
                    }
                }
                Check.True(busy != null, "a second thread is told busy");
                attempt.Cancel();
                Check.True(waiting.Wait(10000), "the waiting thread comes back");
                Check.Equal(AmtCode.Cancelled, ((AmtException)waiting.Result).Code, "what it is told");
                Check.Fails(AmtCode.Cancelled, delegate { attempt.Next(TimeSpan.Zero); });
            });
        }

        private static void Token()
        {
            Silent(delegate(Provisioning attempt)
            {
                using (var source = new CancellationTokenSource())
                {
                    Task<Outcome> run = attempt.RunAsync(new ProvisioningHost { Store = delegate { } }, source.Token);
                    Check.True(!run.Wait(500), "it waits");
                    source.Cancel();
                    var error = Check.Throws<AggregateException>(delegate { run.Wait(10000); });
                    Check.True(error.InnerException is OperationCanceledException, "it is cancelled, not " + error.InnerException);
                }
            });
        }

        private static Exception Ending(Provisioning attempt)
        {
            return Check.Throws<AmtException>(delegate
            {
                for (;;)
                {
                    using (ProvisioningEvent next = attempt.Next(TimeSpan.FromMinutes(1)))
                    {
                        if (next != null && next.Kind == ProvisioningEventKind.Persist)
                        {
                            attempt.Persisted();
                        }
                    }
                }
            });
        }

        private static void Silent(Action<Provisioning> test)
        {
            var listener = new TcpListener(IPAddress.Loopback, 0);
            listener.Start();
            try
            {
                using (var job = new Job(new Guid("00112233-4455-6677-8899-aabbccddeeff"), IPAddress.Loopback))
                using (Certificate chain = PreflightTests.Chain())
                {
                    job.SetPort(((IPEndPoint)listener.LocalEndpoint).Port);
                    job.AddCertificate(chain);
                    using (Provisioning attempt = job.Start())
                    {
                        test(attempt);
                    }
                }
            }
            finally
            {
                listener.Stop();
            }
        }
    }
}
