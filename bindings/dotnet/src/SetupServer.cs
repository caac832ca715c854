using System;
using System.Threading;
using System.Threading.Tasks;

namespace Amt
{
    /// <summary>What a setup server asks: what shall become of a machine?</summary>
    public sealed class ServerQuestion
    {
        internal ServerQuestion(ulong number, string machine)
        {
            Number = number;
            Machine = machine;
        }

        /// <summary>By what it is answered.</summary>
        public ulong Number { get; private set; }

        /// <summary>All that is known of the machine, as JSON: what a program of <c>[resolver]</c> gets.</summary>
        public string Machine { get; private set; }
    }

    /// <summary>A signature that a setup server needs, by the key of a certificate that <see cref="SetupServer.AddChain"/> added.</summary>
    public sealed class ServerSignature
    {
        internal ServerSignature(ulong number, SigningRequest request)
        {
            Number = number;
            Request = request;
        }

        /// <summary>By what it is given.</summary>
        public ulong Number { get; private set; }

        /// <summary>Which certificate, from 0 in the order of <see cref="SetupServer.AddChain"/>, and the bytes.</summary>
        public SigningRequest Request { get; private set; }
    }

    /// <summary>A setup server: machines that say hello are provisioned. All work is done inside <see cref="Next"/>, <see cref="Run"/> or
    /// <see cref="RunAsync"/>, of which one call runs at a time; <see cref="Stop"/> may come from any thread.</summary>
    public sealed class SetupServer : IDisposable
    {
        // The longest wait of one call; another follows.
        private static readonly TimeSpan Turn = TimeSpan.FromMinutes(1);

        private readonly ServerHandle handle;

        /// <summary>Binds the ports of a configuration file over a database. The file's own database is not used. With an
        /// <c>[intake]</c> clients on the machines report to it too.</summary>
        /// <exception cref="AmtException"><see cref="AmtCode.Config"/>: the message lists everything that is wrong;
        /// <see cref="AmtCode.Listen"/>: a port cannot be opened.</exception>
        public SetupServer(Fleet fleet, string config)
        {
            if (fleet == null)
            {
                throw new ArgumentNullException("fleet");
            }
            byte[] path = Writing.Required(config, "config");
            IntPtr err;
            Failure.Check(Native.amt_server_new(fleet.Handle, path, path.Length(), out handle, out err), err);
        }

        /// <summary>Where hellos are awaited, with the port that was chosen where 0 was asked for.</summary>
        public string[] Addresses
        {
            get { return handle.Text(Native.amt_server_addresses).Split(','); }
        }

        /// <summary>Where clients on the machines report; empty without an <c>[intake]</c>.</summary>
        public string[] IntakeAddresses
        {
            get { return handle.Text(Native.amt_server_intake_addresses).Split(new[] { ',' }, StringSplitOptions.RemoveEmptyEntries); }
        }

        /// <summary>What clients know the intake by, as <c>amt enroll --pin</c> takes it; empty without an <c>[intake]</c>.</summary>
        public string IntakePin
        {
            get { return handle.Text(Native.amt_server_intake_pin); }
        }

        /// <summary>Serves for at most so long and brings what happened, one event as a JSON object as of <c>amt serve --json</c>; null if nothing
        /// did. Call again without delay.</summary>
        /// <exception cref="AmtException"><see cref="AmtCode.Cancelled"/>: it was stopped, and has ended; else what ended it.</exception>
        public string Next(TimeSpan timeout)
        {
            if (timeout < TimeSpan.Zero || timeout.TotalMilliseconds > uint.MaxValue)
            {
                throw new ArgumentOutOfRangeException("timeout");
            }
            DocumentHandle next;
            IntPtr err;
            Failure.Check(Native.amt_server_next(handle, (uint)timeout.TotalMilliseconds, out next, out err), err);
            using (next)
            {
                return next.IsInvalid ? null : next.Text(Native.amt_document_json);
            }
        }

        /// <summary>Has this program asked about every machine, after the rules and the program of the configuration; zero: no longer. A machine
        /// whose question is not answered in time is parked, and asked about again when it says hello next. <see cref="Run"/> answers
        /// where <see cref="Resolver"/> is set; else the event <c>question</c> says that <see cref="NextQuestion"/> has one.</summary>
        public void AskHost(TimeSpan patience)
        {
            if (patience < TimeSpan.Zero || patience.TotalMilliseconds > uint.MaxValue)
            {
                throw new ArgumentOutOfRangeException("patience");
            }
            IntPtr err;
            Failure.Check(Native.amt_server_ask_host(handle, (uint)Math.Ceiling(patience.TotalMilliseconds), out err), err);
        }

        /// <summary>What <see cref="Run"/> and <see cref="RunAsync"/> answer questions with: it gets what is known of the machine and returns a JSON
        /// object such as <c>{"entry": "admit", "name": "pc1.example.com"}</c>; <c>{}</c> leaves everything open. What it throws parks the
        /// machine. While it runs, nothing is served: for what takes long, use <see cref="NextQuestion"/> on another thread.</summary>
        public Func<string, string> Resolver { get; set; }

        /// <summary>The oldest question that was not taken yet; null: there is none. Any thread may take and answer questions.</summary>
        public ServerQuestion NextQuestion()
        {
            ulong number;
            DocumentHandle asked;
            IntPtr err;
            Failure.Check(Native.amt_server_question(handle, out number, out asked, out err), err);
            using (asked)
            {
                return number == 0 ? null : new ServerQuestion(number, asked.Text(Native.amt_document_json));
            }
        }

        /// <summary>Answers a question with a JSON object, as <see cref="Resolver"/> returns it.</summary>
        /// <exception cref="AmtException"><see cref="AmtCode.ParseText"/>: this is no answer, the question waits on;
        /// <see cref="AmtCode.InvalidArgument"/>: nobody waits for it any more.</exception>
        public void Answer(ServerQuestion question, string answer)
        {
            if (question == null)
            {
                throw new ArgumentNullException("question");
            }
            byte[] bytes = Writing.Required(answer, "answer");
            IntPtr err;
            Failure.Check(Native.amt_server_answer(handle, question.Number, bytes, bytes.Length(), out err), err);
        }

        /// <summary>Answers a question: it cannot be said now. A machine whose setup has not begun is parked.</summary>
        public void AnswerFailed(ServerQuestion question, string reason)
        {
            if (question == null)
            {
                throw new ArgumentNullException("question");
            }
            byte[] bytes = Writing.Required(reason, "reason");
            IntPtr err;
            Failure.Check(Native.amt_server_answer_failed(handle, question.Number, bytes, bytes.Length(), out err), err);
        }

        /// <summary>Adds a provisioning certificate for whose key this program signs, before anything is served: beside those of the configuration,
        /// which then need not name any. For machines from AMT 14 on. <see cref="Run"/> signs where <see cref="Signer"/> is set; else the
        /// event <c>signature</c> says that <see cref="NextSignature"/> has one.</summary>
        /// <exception cref="AmtException"><see cref="AmtCode.CertificateParse"/>: it holds no chain;
        /// <see cref="AmtCode.InvalidArgument"/>: the server serves already.</exception>
        public void AddChain(Certificate certificate)
        {
            if (certificate == null)
            {
                throw new ArgumentNullException("certificate");
            }
            IntPtr err;
            Failure.Check(Native.amt_server_add_chain(handle, certificate.Handle, out err), err);
        }

        /// <summary>What <see cref="Run"/> and <see cref="RunAsync"/> sign with: RSA, PKCS#1 v1.5, over the SHA-256 of the data, within 20 seconds. What
        /// it throws makes the attempt fail with <see cref="AmtCode.Signer"/>, and it is repeated later. While it runs, nothing is served:
        /// for what takes long, use <see cref="NextSignature"/> on another thread.</summary>
        public Func<SigningRequest, byte[]> Signer { get; set; }

        /// <summary>The oldest signature that is needed and was not taken yet; null: there is none. Any thread may take and give signatures.</summary>
        public ServerSignature NextSignature()
        {
            ulong number;
            EventHandle asked;
            IntPtr err;
            Failure.Check(Native.amt_server_signature(handle, out number, out asked, out err), err);
            if (number == 0)
            {
                asked.Dispose();
                return null;
            }
            using (var request = new ProvisioningEvent(asked))
            {
                return new ServerSignature(number, request.GetSigning());
            }
        }

        /// <summary>Gives a signature.</summary>
        /// <exception cref="AmtException"><see cref="AmtCode.InvalidArgument"/>: it is none, or nobody waits for it any more.</exception>
        public void Sign(ServerSignature needed, byte[] signature)
        {
            if (needed == null)
            {
                throw new ArgumentNullException("needed");
            }
            if (signature == null)
            {
                throw new ArgumentNullException("signature");
            }
            IntPtr err;
            Failure.Check(Native.amt_server_sign(handle, needed.Number, signature, signature.Length(), out err), err);
        }

        /// <summary>There is no signature, for this reason. The machine waits for its setup as before.</summary>
        public void SignFailed(ServerSignature needed, string reason)
        {
            if (needed == null)
            {
                throw new ArgumentNullException("needed");
            }
            byte[] bytes = Writing.Required(reason, "reason");
            IntPtr err;
            Failure.Check(Native.amt_server_sign_failed(handle, needed.Number, bytes, bytes.Length(), out err), err);
        }

        /// <summary>Serves on the caller's thread until it is stopped, and tells every event. What is unfinished then is taken up by the next
        /// server on the database.</summary>
        /// <exception cref="AmtException">What ended it before.</exception>
        public void Run(Action<string> happened = null, CancellationToken cancellation = default(CancellationToken))
        {
            using (cancellation.Register(StopIfAlive))
            {
                for (;;)
                {
                    string next;
                    try
                    {
                        next = Next(Turn);
                    }
                    catch (AmtException error)
                    {
                        if (error.Code == AmtCode.Cancelled)
                        {
                            return;
                        }
                        throw;
                    }
                    if (next != null && happened != null)
                    {
                        happened(next);
                    }
                    if (Signer != null)
                    {
                        SignAll(Signer);
                    }
                    if (Resolver != null)
                    {
                        Resolve(Resolver);
                    }
                }
            }
        }

        /// <summary>The same on a thread of its own, where the function is called too. A cancelled token stops the server in good order.</summary>
        public Task RunAsync(Action<string> happened = null, CancellationToken cancellation = default(CancellationToken))
        {
            return Task.Factory.StartNew(
                delegate { Run(happened, cancellation); }, CancellationToken.None, TaskCreationOptions.LongRunning,
                TaskScheduler.Default);
        }

        /// <summary>Asks it to end: what runs may come to an end, for ten seconds at most.</summary>
        public void Stop()
        {
            IntPtr err;
            Failure.Check(Native.amt_server_stop(handle, out err), err);
        }

        /// <summary>Closes the ports and cuts off what runs, once no call is inside any more.</summary>
        public void Dispose()
        {
            handle.Dispose();
        }

        // Every question that waits.
        private void Resolve(Func<string, string> resolver)
        {
            for (ServerQuestion question = NextQuestion(); question != null; question = NextQuestion())
            {
                try
                {
                    string reason;
                    try
                    {
                        Answer(question, resolver(question.Machine));
                        continue;
                    }
                    catch (AmtException error)
                    {
                        if (error.Code == AmtCode.InvalidArgument)
                        {
                            throw;
                        }
                        reason = error.Message;
                    }
                    catch (Exception error)
                    {
                        reason = error.Message;
                    }
                    AnswerFailed(question, reason);
                }
                catch (AmtException error)
                {
                    // The time was over, or the server was stopped: it goes on without the answer.
                    if (error.Code != AmtCode.InvalidArgument)
                    {
                        throw;
                    }
                }
            }
        }

        // Every signature that is needed.
        private void SignAll(Func<SigningRequest, byte[]> signer)
        {
            for (ServerSignature needed = NextSignature(); needed != null; needed = NextSignature())
            {
                try
                {
                    byte[] signature;
                    try
                    {
                        signature = signer(needed.Request);
                        if (signature == null || signature.Length == 0)
                        {
                            throw new InvalidOperationException("the host answered without a signature");
                        }
                    }
                    catch (Exception error)
                    {
                        SignFailed(needed, error.Message);
                        continue;
                    }
                    Sign(needed, signature);
                }
                catch (AmtException error)
                {
                    // The time was over, or the server was stopped: it goes on without the signature.
                    if (error.Code != AmtCode.InvalidArgument)
                    {
                        throw;
                    }
                }
            }
        }

        private void StopIfAlive()
        {
            try
            {
                Stop();
            }
            catch (ObjectDisposedException)
            {
            }
        }
    }
}
