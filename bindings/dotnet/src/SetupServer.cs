using System;
using System.Threading;
using System.Threading.Tasks;

namespace Amt
{
    /// <summary>A setup server: machines that say hello are provisioned. All work is done inside <see cref="Next"/>, <see cref="Run"/> or
    /// <see cref="RunAsync"/>, of which one call runs at a time; <see cref="Stop"/> may come from any thread.</summary>
    public sealed class SetupServer : IDisposable
    {
        // The longest wait of one call; another follows.
        private static readonly TimeSpan Turn = TimeSpan.FromMinutes(1);

        private readonly ServerHandle handle;

        /// <summary>Binds the ports of a configuration file over a database. The file's own database is not used, and an intake is refused.</summary>
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
