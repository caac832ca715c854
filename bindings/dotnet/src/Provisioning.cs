using System;
using System.Threading;
using System.Threading.Tasks;

namespace Amt
{
    /// <summary>What a program does for an attempt that <see cref="Provisioning.Run"/> drives. What is not needed stays null.</summary>
    public sealed class ProvisioningHost
    {
        /// <summary>Makes a record durable before it returns. It holds passwords in clear: seal it. Nothing that depends on it is sent
        /// before. The array is zeroed afterwards. Not called where the job names a journal file.</summary>
        public Action<byte[]> Store { get; set; }

        /// <summary>Has a certificate issued. Not called where the job names an authority's files.</summary>
        public Func<CertificateRequest, CertificateReply> Certify { get; set; }

        /// <summary>Signs with the key of a certificate that <see cref="Job.AddChain"/> added, within 20 seconds: RSA, PKCS#1 v1.5, over the
        /// SHA-256 of the data. Not called for other jobs.</summary>
        public Func<SigningRequest, byte[]> Sign { get; set; }

        /// <summary>Is told every event, before it is answered. The event is freed when this returns.</summary>
        public Action<ProvisioningEvent> Progress { get; set; }
    }

    /// <summary>An attempt to provision a machine. One call at a time, except <see cref="Cancel"/>, which every thread may call at any time;
    /// a second call fails with <see cref="AmtCode.Busy"/>.</summary>
    public sealed class Provisioning : IDisposable
    {
        // The longest wait of one call; another follows.
        private static readonly TimeSpan Turn = TimeSpan.FromMinutes(1);

        private readonly ProvisionHandle handle;

        internal Provisioning(ProvisionHandle handle)
        {
            this.handle = handle;
        }

        /// <summary>Goes on for at most this long and brings an event; null if the time was over before there was one. All work is done inside
        /// this call, on the caller's thread: call again without delay, until <see cref="ProvisioningEventKind.Done"/>.</summary>
        /// <exception cref="AmtException">What ended the attempt; it is told again by later calls.
        /// <see cref="AmtCode.InvalidArgument"/>: a question was not answered; nothing is lost.</exception>
        public ProvisioningEvent Next(TimeSpan timeout)
        {
            double milliseconds = timeout.TotalMilliseconds;
            if (milliseconds < 0 || milliseconds > uint.MaxValue)
            {
                throw new ArgumentOutOfRangeException("timeout");
            }
            EventHandle next;
            IntPtr err;
            Failure.Check(Native.amt_provision_next(handle, (uint)milliseconds, out next, out err), err);
            if (next.IsInvalid)
            {
                next.Dispose();
                return null;
            }
            return new ProvisioningEvent(next);
        }

        /// <summary>The next event, waited for on a thread of the pool. A cancelled token ends the attempt, not only the wait; what was made
        /// durable stays, and a later attempt goes on from there.</summary>
        public Task<ProvisioningEvent> NextAsync(CancellationToken cancellation = default(CancellationToken))
        {
            return Task.Run(delegate { return Wait(cancellation); });
        }

        /// <summary>Answers <see cref="ProvisioningEventKind.Persist"/>: the record is durable and would survive a power cut. Only now secrets
        /// in it are sent to the machine.</summary>
        public void Persisted()
        {
            IntPtr err;
            Failure.Check(Native.amt_provision_persisted(handle, out err), err);
        }

        /// <summary>Answers <see cref="ProvisioningEventKind.Persist"/>: the record could not be stored. The attempt ends with
        /// <see cref="AmtCode.Journal"/>.</summary>
        public void PersistFailed(string reason)
        {
            byte[] bytes = Writing.Required(reason, "reason");
            IntPtr err;
            Failure.Check(Native.amt_provision_persist_failed(handle, bytes, bytes.Length(), out err), err);
        }

        /// <summary>Answers <see cref="ProvisioningEventKind.Certify"/> with certificates in PEM: the machine's own first, then its issuers up
        /// to the root. The machine's alone may also be given as DER.</summary>
        public void Issued(byte[] certificates)
        {
            if (certificates == null)
            {
                throw new ArgumentNullException("certificates");
            }
            IntPtr err;
            Failure.Check(Native.amt_provision_issued(handle, certificates, certificates.Length(), out err), err);
        }

        /// <summary>Answers <see cref="ProvisioningEventKind.Certify"/>: the authority has not decided. Its name for the request comes back
        /// when it is asked again, also in a later attempt.</summary>
        public void Pending(string requestId, TimeSpan retryAfter)
        {
            byte[] bytes = Writing.Required(requestId, "requestId");
            if (retryAfter < TimeSpan.Zero || retryAfter.TotalSeconds > uint.MaxValue)
            {
                throw new ArgumentOutOfRangeException("retryAfter");
            }
            IntPtr err;
            uint status = Native.amt_provision_pending(handle, bytes, bytes.Length(), (uint)retryAfter.TotalSeconds, out err);
            Failure.Check(status, err);
        }

        /// <summary>Answers <see cref="ProvisioningEventKind.Certify"/>: the authority refused. The attempt ends with
        /// <see cref="AmtCode.CaDenied"/>.</summary>
        public void Denied(string reason)
        {
            byte[] bytes = Writing.Required(reason, "reason");
            IntPtr err;
            Failure.Check(Native.amt_provision_denied(handle, bytes, bytes.Length(), out err), err);
        }

        /// <summary>Answers <see cref="ProvisioningEventKind.Sign"/> with the signature.</summary>
        public void Signed(byte[] signature)
        {
            if (signature == null)
            {
                throw new ArgumentNullException("signature");
            }
            IntPtr err;
            Failure.Check(Native.amt_provision_signed(handle, signature, signature.Length(), out err), err);
        }

        /// <summary>Answers <see cref="ProvisioningEventKind.Sign"/>: there is no signature. The attempt ends with
        /// <see cref="AmtCode.Signer"/>.</summary>
        public void SignFailed(string reason)
        {
            byte[] bytes = Writing.Required(reason, "reason");
            IntPtr err;
            Failure.Check(Native.amt_provision_sign_failed(handle, bytes, bytes.Length(), out err), err);
        }

        /// <summary>Ends the attempt with <see cref="AmtCode.Cancelled"/>, also while another thread waits in it.</summary>
        public void Cancel()
        {
            IntPtr err;
            Failure.Check(Native.amt_provision_cancel(handle, out err), err);
        }

        /// <summary>Drives the attempt to its end on the caller's thread and has questions answered by the host.</summary>
        /// <exception cref="AmtException">What ended the attempt.</exception>
        /// <exception cref="OperationCanceledException">The token was cancelled; a later attempt goes on from what was made
        /// durable.</exception>
        public Outcome Run(ProvisioningHost host, CancellationToken cancellation = default(CancellationToken))
        {
            if (host == null)
            {
                throw new ArgumentNullException("host");
            }
            for (;;)
            {
                using (ProvisioningEvent next = Wait(cancellation))
                {
                    if (host.Progress != null)
                    {
                        host.Progress(next);
                    }
                    switch (next.Kind)
                    {
                        case ProvisioningEventKind.Persist:
                            Store(host, next);
                            break;
                        case ProvisioningEventKind.Certify:
                            Certify(host, next);
                            break;
                        case ProvisioningEventKind.Sign:
                            Sign(host, next);
                            break;
                        case ProvisioningEventKind.Done:
                            return next.GetOutcome();
                    }
                }
            }
        }

        /// <summary>The same on a thread of the pool, where the host's functions are called too.</summary>
        public Task<Outcome> RunAsync(ProvisioningHost host, CancellationToken cancellation = default(CancellationToken))
        {
            return Task.Run(delegate { return Run(host, cancellation); });
        }

        /// <summary>Ends the connection and frees the attempt, once no call is inside any more.</summary>
        public void Dispose()
        {
            handle.Dispose();
        }

        private ProvisioningEvent Wait(CancellationToken cancellation)
        {
            return Cancelling.Run(Cancel, cancellation, delegate
            {
                for (;;)
                {
                    ProvisioningEvent next = Next(Turn);
                    if (next != null)
                    {
                        return next;
                    }
                }
            });
        }

        // What the host threw ends the attempt in good order, and is thrown.
        private void Store(ProvisioningHost host, ProvisioningEvent question)
        {
            byte[] record = question.GetRecord();
            try
            {
                if (host.Store == null)
                {
                    throw new InvalidOperationException("the host stores no records, and the job names no journal file");
                }
                host.Store(record);
            }
            catch (Exception error)
            {
                PersistFailed(error.Message);
                throw;
            }
            finally
            {
                Writing.Wipe(record);
            }
            Persisted();
        }

        private void Certify(ProvisioningHost host, ProvisioningEvent question)
        {
            CertificateReply reply;
            try
            {
                if (host.Certify == null)
                {
                    throw new InvalidOperationException("the host issues no certificates, and the job names no authority");
                }
                reply = host.Certify(question.GetRequest());
                if (reply == null)
                {
                    throw new InvalidOperationException("the host answered a certification request with null");
                }
            }
            catch (Exception error)
            {
                Denied(error.Message);
                throw;
            }
            reply.Give(this);
        }

        private void Sign(ProvisioningHost host, ProvisioningEvent question)
        {
            byte[] signature;
            try
            {
                if (host.Sign == null)
                {
                    throw new InvalidOperationException("the host signs nothing, and the job has a chain without its key");
                }
                signature = host.Sign(question.GetSigning());
                if (signature == null || signature.Length == 0)
                {
                    throw new InvalidOperationException("the host answered without a signature");
                }
            }
            catch (Exception error)
            {
                SignFailed(error.Message);
                throw;
            }
            Signed(signature);
        }
    }
}
