using System;
using System.Net;
using System.Net.Sockets;
using System.Threading;
using System.Threading.Tasks;
using Amt;

namespace AmtTests
{
    // Hellos of a virtual machine, and what is none, at a port of the library.
    internal static class ListenerTests
    {
        internal static void All()
        {
            Program.Test("listener: a virtual machine is heard", Heard);
            Program.Test("listener: what is no hello is told, and the next one comes", Rubbish);
            Program.Test("listener: ports that cannot be opened are refused", Refused);
            Program.Test("listener: a token ends the wait", Token);
        }

        private static HelloListener Listening()
        {
            return new HelloListener(new IPEndPoint(IPAddress.Loopback, 0));
        }

        private static void Heard()
        {
            using (HelloListener listener = Listening())
            using (var machine = new VirtualMachine("127.76.0.1", listener.Addresses[0]))
            {
                HelloArrival arrival = listener.NextAsync().Result;
                Check.Equal(machine.Uuid, arrival.Hello.Uuid, "the UUID");
                Check.Equal(machine.Address.ToString(), arrival.Address.ToString(), "the address");
                Check.Equal(0L, arrival.Repeat, "repetitions");
                Check.True(Math.Abs((DateTime.UtcNow - arrival.Received).TotalMinutes) < 5, "the time: " + arrival.Received);
                arrival.Hello.Dispose();
            }
        }

        private static void Rubbish()
        {
            using (HelloListener listener = Listening())
            {
                Check.True(listener.Next(TimeSpan.Zero) == null, "nothing yet");
                Say(listener, new byte[] { 0xff, 0xff, 0xff, 0xff });
                HelloArrival rubbish = listener.Next(TimeSpan.FromSeconds(20));
                Check.True(rubbish.Hello == null && rubbish.Error.Code == AmtCode.DecodeInvalid, "it is told: " + rubbish.Error);
                Check.Equal(0xff, rubbish.Data[0], "its bytes");
                Say(listener, HelloTests.Pki());
                HelloArrival hello = listener.Next(TimeSpan.FromSeconds(20));
                Check.True(hello.Error == null && hello.Hello.Kind == HelloKind.Pki, "the next one");
                hello.Hello.Dispose();
            }
        }

        private static void Refused()
        {
            using (HelloListener first = Listening())
            {
                int port = int.Parse(first.Addresses[0].Split(':')[1]);
                AmtException error = Check.Fails(
                    AmtCode.Listen, delegate { new HelloListener(new IPEndPoint(IPAddress.Loopback, port)); });
                Check.True(error.Message.Contains(port.ToString()), "it names the port: " + error.Message);
                Check.Throws<ArgumentOutOfRangeException>(delegate { first.Next(TimeSpan.FromSeconds(-1)); });
                first.Dispose();
                Check.Throws<ObjectDisposedException>(delegate { first.Next(TimeSpan.Zero); });
            }
        }

        private static void Token()
        {
            using (var stop = new CancellationTokenSource())
            using (HelloListener listener = Listening())
            {
                Task<HelloArrival> waiting = listener.NextAsync(stop.Token);
                stop.Cancel();
                Check.Throws<OperationCanceledException>(delegate { waiting.GetAwaiter().GetResult(); });
                Check.Fails(AmtCode.Cancelled, delegate { listener.Next(TimeSpan.Zero); });
            }
        }

        private static void Say(HelloListener listener, byte[] data)
        {
            using (var client = new TcpClient())
            {
                client.Connect(IPAddress.Loopback, int.Parse(listener.Addresses[0].Split(':')[1]));
                client.GetStream().Write(data, 0, data.Length);
            }
        }
    }
}
