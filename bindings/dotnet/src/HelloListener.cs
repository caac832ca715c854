using System;
using System.Linq;
using System.Net;
using System.Threading;
using System.Threading.Tasks;

namespace Amt
{
    /// <summary>What one connection brought: a hello, or bytes that are none.</summary>
    public sealed class HelloArrival
    {
        private readonly Hello hello;
        private readonly AmtException error;

        internal HelloArrival(ArrivalHandle arrival)
        {
            Address = IPAddress.Parse(arrival.Text(Native.amt_arrival_address));
            Repeat = arrival.Number(Native.amt_arrival_repeat);
            Data = arrival.Bytes(Native.amt_arrival_bytes);
            ulong unixMs;
            IntPtr err;
            Failure.Check(Native.amt_arrival_received(arrival, out unixMs, out err), err);
            Received = new DateTime(1970, 1, 1, 0, 0, 0, DateTimeKind.Utc).AddMilliseconds(unixMs);
            HelloHandle handle;
            try
            {
                Failure.Check(Native.amt_arrival_hello(arrival, out handle, out err), err);
                hello = new Hello(handle);
            }
            catch (AmtException refused)
            {
                error = refused;
            }
        }

        /// <summary>Where it came from: the address at which the machine is reached.</summary>
        public IPAddress Address { get; private set; }

        /// <summary>When it was complete, UTC.</summary>
        public DateTime Received { get; private set; }

        /// <summary>How many hellos of this machine arrived within a minute before it.</summary>
        public long Repeat { get; private set; }

        /// <summary>The bytes as received.</summary>
        public byte[] Data { get; private set; }

        /// <summary>The hello; null if the bytes are none.</summary>
        public Hello Hello
        {
            get { return hello; }
        }

        /// <summary>Why the bytes are no hello; null if they are one.</summary>
        public AmtException Error
        {
            get { return error; }
        }
    }

    /// <summary>Awaits hellos at open ports. One call at a time; <see cref="Cancel"/> may come from any thread. Nothing that arrives is
    /// authenticated: anybody may say hello.</summary>
    public sealed class HelloListener : IDisposable
    {
        /// <summary>The port on which machines in setup mode say hello.</summary>
        public const int Port = 9971;

        // The longest wait of one call; another follows.
        private static readonly TimeSpan Turn = TimeSpan.FromMinutes(1);

        private readonly ListenerHandle handle;

        /// <summary>Opens these ports; none given: 9971 at every address. Port 0 lets the system choose.</summary>
        /// <exception cref="AmtException"><see cref="AmtCode.Listen"/>: a port cannot be opened.</exception>
        public HelloListener(params IPEndPoint[] addresses)
        {
            if (addresses == null)
            {
                throw new ArgumentNullException("addresses");
            }
            Library.Check();
            byte[] text = Writing.Text(string.Join(",", addresses.Select(address => address.ToString())));
            IntPtr err;
            Failure.Check(Native.amt_listener_new(text, text.Length(), out handle, out err), err);
        }

        /// <summary>Where it listens, such as <c>127.0.0.1:9971</c>, with the port that was chosen where 0 was asked for.</summary>
        public string[] Addresses
        {
            get { return handle.Text(Native.amt_listener_addresses).Split(','); }
        }

        /// <summary>What arrives next; null if nothing does for so long. Between two calls machines wait in the system's queue.</summary>
        /// <exception cref="AmtException"><see cref="AmtCode.Cancelled"/>: another thread cancelled it.</exception>
        public HelloArrival Next(TimeSpan timeout)
        {
            if (timeout < TimeSpan.Zero || timeout.TotalMilliseconds > uint.MaxValue)
            {
                throw new ArgumentOutOfRangeException("timeout");
            }
            ArrivalHandle arrival;
            IntPtr err;
            Failure.Check(Native.amt_listener_next(handle, (uint)timeout.TotalMilliseconds, out arrival, out err), err);
            using (arrival)
            {
                return arrival.IsInvalid ? null : new HelloArrival(arrival);
            }
        }

        /// <summary>What arrives next, awaited on a thread of the pool. A cancelled token ends the listener.</summary>
        /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
        public Task<HelloArrival> NextAsync(CancellationToken cancellation = default(CancellationToken))
        {
            return Task.Run(delegate
            {
                return Cancelling.Run(Cancel, cancellation, delegate
                {
                    for (;;)
                    {
                        HelloArrival arrival = Next(Turn);
                        if (arrival != null)
                        {
                            return arrival;
                        }
                    }
                });
            });
        }

        /// <summary>Ends the call that is under way in another thread, and every later one, with <see cref="AmtCode.Cancelled"/>.</summary>
        public void Cancel()
        {
            IntPtr err;
            Failure.Check(Native.amt_listener_cancel(handle, out err), err);
        }

        /// <summary>Closes the ports, once no call is inside any more.</summary>
        public void Dispose()
        {
            handle.Dispose();
        }
    }
}
