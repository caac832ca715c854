using System;
using System.Linq;
using Amt;

namespace AmtTests
{
    internal static class HelloTests
    {
        internal static void All()
        {
            Program.Test("hello: every part is read", EveryPart);
            Program.Test("hello: a pre-shared one has a PID and no roots", Psk);
            Program.Test("hello: every beginning of one is refused as cut short", CutShort);
            Program.Test("hello: an error has all its parts", Errors);
        }

        // Retry 2, with a SHA-1 root, a SHA-256 root and one of an algorithm that nobody knows.
        internal static byte[] Pki()
        {
            byte[] head = { 1, 0, 3, 0, 2, 0, 0, 0, 0x33, 0x22, 0x11, 0, 0x55, 0x44, 0x77, 0x66, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff, 3 };
            return head.Concat(Root(1, 20, 0xa1)).Concat(Root(2, 32, 0xa2)).Concat(Root(99, 3, 0xa3)).ToArray();
        }

        private static byte[] Root(byte algorithm, byte length, byte value)
        {
            return new[] { algorithm, length }.Concat(Enumerable.Repeat(value, length)).ToArray();
        }

        private static void EveryPart()
        {
            using (Hello hello = Hello.Parse(Pki().Concat(new byte[] { 1, 2 }).ToArray()))
            {
                Check.Equal(HelloKind.Pki, hello.Kind, "the kind");
                Check.Equal(2L, hello.Retry, "the retry");
                Check.True(hello.AdminCredentialsSet, "the credentials are set");
                Check.Equal(2, hello.TrailingBytes, "what follows");
                Check.Equal(new Guid("00112233-4455-6677-8899-aabbccddeeff"), hello.Uuid, "the UUID");
                Check.Equal(0, hello.Pid.Length, "the PID");
                Check.Equal("1 2 99", string.Join(" ", hello.Roots.Select(root => root.Algorithm)), "the algorithms");
                Check.True(hello.Roots[1].Fingerprint.SequenceEqual(Enumerable.Repeat((byte)0xa2, 32)), "a fingerprint");
                Check.Equal("algorithm 99 a3a3a3", hello.Roots[2].ToString(), "a root as text");
                Check.True(hello.ToArray().SequenceEqual(Pki()), "it comes out as it went in");
            }
        }

        private static void Psk()
        {
            var wire = new byte[32];
            wire[2] = 2;
            for (int index = 0; index < 8; index++)
            {
                wire[24 + index] = (byte)('1' + index);
            }
            using (Hello hello = Hello.Parse(wire))
            {
                Check.Equal(HelloKind.Psk, hello.Kind, "the kind");
                Check.Equal("12345678", System.Text.Encoding.ASCII.GetString(hello.Pid), "the PID");
                Check.Equal(0, hello.Roots.Count, "roots");
            }
        }

        private static void CutShort()
        {
            byte[] whole = Pki();
            for (int length = 0; length < whole.Length; length++)
            {
                int take = length;
                Check.Fails(AmtCode.DecodeTruncated, delegate { Hello.Parse(whole.Take(take).ToArray()); });
            }
        }

        private static void Errors()
        {
            AmtException error = Check.Fails(AmtCode.DecodeTruncated, delegate { Hello.Parse(new byte[2]); });
            Check.Equal("DECODE_TRUNCATED", error.Name, "the name");
            Check.Equal("the input is cut short: capture or copy it again, whole", error.Hint, "the hint");
            Check.True(error.DeviceStatus == null, "no device said anything");
            Check.Throws<ArgumentNullException>(delegate { Hello.Parse(null); });
        }
    }
}
