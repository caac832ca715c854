using System;
using System.Diagnostics;
using System.IO;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace AmtTests
{
    // `amt sim` in a process of its own: one factory-fresh machine that trusts the test root and is in example.com.
    internal sealed class VirtualMachine : IDisposable
    {
        private readonly Process process;
        private readonly TcpClient control;

        internal VirtualMachine(string address, string hello = null, string persona = "16.0")
        {
            string root = Path.Combine(Check.Root, "testdata/provisioning/root.pem");
            var start = new ProcessStartInfo(Check.Need("AMT_BIN"))
            {
                Arguments = "sim --root \"" + root + "\" --suffix example.com --base-address " + address
                    + " --persona " + persona + " --control 127.0.0.1:0 --time-scale 20" + (hello == null ? "" : " --hello " + hello),
                UseShellExecute = false,
                RedirectStandardOutput = true,
            };
            process = Process.Start(start);
            string line = process.StandardOutput.ReadLine();
            string[] words = line.Split(new[] { ' ' }, StringSplitOptions.RemoveEmptyEntries);
            Address = IPAddress.Parse(words[0]);
            Uuid = new Guid(words[1]);
            const string prefix = "control socket: 127.0.0.1:";
            string socket = process.StandardOutput.ReadLine();
            Check.True(socket.StartsWith(prefix), "amt sim names its control socket");
            control = new TcpClient("127.0.0.1", int.Parse(socket.Substring(prefix.Length).Trim()));
        }

        internal IPAddress Address { get; private set; }

        internal Guid Uuid { get; private set; }

        // Whether the firmware itself says that this is the password of admin.
        internal bool HasAdminPassword(string password)
        {
            string quoted = password.Replace("\\", "\\\\").Replace("\"", "\\\"");
            string reply = Ask("{\"command\":\"check-admin-password\",\"uuid\":\"" + Uuid + "\",\"password\":\"" + quoted + "\"}");
            Check.True(reply.Contains("\"matches\""), "the firmware answers: " + reply);
            return reply.Contains("true");
        }

        // Whether the firmware's own truth about itself contains this.
        internal bool Says(string part)
        {
            return Ask("{\"command\":\"truth\"}").Contains(part);
        }

        public void Dispose()
        {
            control.Close();
            process.Kill();
            process.WaitForExit();
        }

        private string Ask(string request)
        {
            NetworkStream stream = control.GetStream();
            byte[] bytes = Encoding.UTF8.GetBytes(request + "\n");
            stream.Write(bytes, 0, bytes.Length);
            var reply = new MemoryStream();
            for (int next = stream.ReadByte(); next >= 0 && next != '\n'; next = stream.ReadByte())
            {
                reply.WriteByte((byte)next);
            }
            return Encoding.UTF8.GetString(reply.ToArray());
        }
    }
}
